#include "dns/budget.hpp"

#include "core/zone.hpp"
#include "dns/keyed_table.hpp"
#include "dns/types.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

constexpr std::uint32_t eighths = 8;
constexpr std::uint32_t new_name = 1 * eighths, first_www = 1 * eighths, first_below = 2 * eighths, one_more_label = 1 * eighths;
constexpr std::uint32_t rare_type = 4 * eighths, one_more_try = 1 * eighths;
constexpr std::uint32_t plain_letter = 4 * eighths;  // labels of honest names cost 3.4 bits a letter, random ones 9
constexpr std::uint32_t chosen_label = 10 * eighths; // a customer's label is worth at least this much, however plain it reads
constexpr std::uint32_t mere_visit = 3 * eighths;    // the most that a domain's own name or www costs
constexpr std::size_t no_bit = 16;

/// 8 * log2(x), rounded up, for x >= 1.
constexpr std::uint32_t log2_eighths(std::uint64_t x) noexcept
{
    constexpr std::array<std::uint64_t, eighths> powers{65536, 71467,  77935,  84989,
                                                        92681, 101070, 110217, 120193}; // 2^(16 + i/8)
    const auto whole = static_cast<std::uint32_t>(std::bit_width(x) - 1);
    std::uint32_t part = 0;
    while (part < eighths && (x << 16) > (powers[part] << whole)) ++part;
    return eighths * whole + part;
}
static_assert(log2_eighths(1) == 0 && log2_eighths(2) == 8 && log2_eighths(3) == 13 && log2_eighths(4096) == 96);

constexpr std::size_t type_bit(std::uint16_t qtype) noexcept
{
    constexpr std::array carried = {rr::a,  rr::aaaa, rr::https, rr::cname, rr::txt, rr::srv,
                                    rr::mx, rr::svcb, rr::ns,    rr::soa,   rr::caa, rr::ptr};
    const auto at = std::find(carried.begin(), carried.end(), qtype);
    return at == carried.end() ? no_bit - 1 : static_cast<std::size_t>(at - carried.begin());
}

constexpr std::uint32_t type_cost(std::uint16_t qtype) noexcept
{
    return qtype == rr::a || qtype == rr::aaaa || qtype == rr::https ? 0 : rare_type;
}

/// Whose ledger: a domain may have one in each tier, and a provider's customers have their own.
enum class ledger_kind : std::uint8_t { wildcard = 1, provider, popular, unknown, tenants };

struct ledger {
    std::uint32_t spent = 0, nodes = 0;
    bool blocked = false, alerted = false;
};

/// One name that was paid: the types it was asked for, the first and its price.
struct paid_name {
    std::uint32_t first_price = 0;
    std::uint16_t types = 0;      // bits by type_bit
    std::uint16_t unanswered = 0; // of these, asked in vain: once more is not free
    std::uint8_t first_type = 0;
    ledger_kind kind = ledger_kind::unknown;
    std::uint8_t key_size = 0; // octets at the end of the name
};

struct path {};

/// To which ledger a name belongs. Views into the name.
struct place {
    name_tier tier = name_tier::unknown;
    ledger_kind kind = ledger_kind::unknown;
    std::string_view key;
    std::uint32_t limit = 0;
    std::string_view setting;
    bool narrow = false; // wildcard_query_bits holds
};

name_tier tier_of(ledger_kind kind) noexcept
{
    switch (kind) {
    case ledger_kind::wildcard: return name_tier::wildcard;
    case ledger_kind::provider:
    case ledger_kind::tenants: return name_tier::provider;
    case ledger_kind::popular: return name_tier::popular;
    case ledger_kind::unknown: break;
    }
    return name_tier::unknown;
}

/// What a query costs, in parts.
struct bill {
    std::uint32_t total = 0;
    std::uint32_t tenants = 0; // of `total`: labels that a provider's customer chose
    std::size_t new_paths = 0; // names and suffixes to be marked as paid
    bool known_name = false;   // asked for before
    bool again = false;        // with this type
};

/// By how much a label costs more than a plain one of its length.
std::uint32_t surprise(std::string_view label, const label_price& paid) noexcept
{
    const auto plain = plain_letter * static_cast<std::uint32_t>(label.size() + 1);
    return paid.listed || paid.cost <= plain ? 0 : paid.cost - plain;
}

std::uint32_t in_eighths(std::uint32_t bits) noexcept
{
    return bits * eighths;
}

} // namespace

std::string_view to_string(name_tier tier) noexcept
{
    switch (tier) {
    case name_tier::known: return "known";
    case name_tier::wildcard: return "wildcard";
    case name_tier::provider: return "provider";
    case name_tier::popular: return "popular";
    case name_tier::unknown: break;
    }
    return "unknown";
}

struct budget::ledgers {
    const budget_settings how;
    const name_model& model;
    const siphash_key secret;
    keyed_table<ledger> keys;
    keyed_table<path> paths, baseline;
    keyed_table<paid_name> names;
    std::size_t answers = 0;       // (name, type) pairs in `names`
    std::size_t visits = 0;        // unknown domains visited
    std::uint32_t job_spent = 0;   // by all unknown domains
    bool overflow_alerted = false; // of keys that have no ledger
    bool job_alerted = false;

    ledgers(const budget_settings& settings, const name_model& names_known, const siphash_key& key)
        : how(settings), model(names_known), secret(key), keys(how.max_keys), paths(how.max_paths), baseline(how.baseline.size()),
          names(how.max_answers)
    {
        for (const auto& name : how.baseline) baseline.find_or_add(siphash(secret, name));
    }

    std::uint64_t hash_of(std::string_view text) const noexcept { return siphash(secret, text); }
    std::uint64_t hash_of(ledger_kind kind, std::string_view domain) const noexcept
    {
        return siphash({secret[0] ^ static_cast<std::uint64_t>(kind), secret[1]}, domain);
    }

    bool is_known(std::string_view name, const domains_of_name& domains)
    {
        return model.is_ci_host(name, domains.purchased) || baseline.find(hash_of(name)) != nullptr;
    }

    place place_of(std::string_view name, const domains_of_name& domains, const name_rule& rule) const
    {
        if (rule.how == name_rule::kind::wildcard && name.ends_with(rule.suffix))
            return place_in(ledger_kind::wildcard, name.substr(name.size() - rule.suffix.size()), rule);
        const auto [domain, registrable] = domains;
        if (is_provider(domain)) return place_in(ledger_kind::provider, domain, rule);
        // By the whole list, or a stranger's "evil.eu.org" would inherit what eu.org is worth.
        const bool popular = !registrable.empty() && model.popular.contains(registrable);
        return place_in(popular ? ledger_kind::popular : ledger_kind::unknown, domain, rule);
    }

    /// The same for a name that was paid, without looking anything up; nothing if the rule is another one by now.
    std::optional<place> place_of_paid(std::string_view name, const paid_name& paid, const name_rule& rule) const
    {
        const auto key = name.substr(name.size() - paid.key_size);
        const bool by_rule = rule.how == name_rule::kind::wildcard;
        if (by_rule != (paid.kind == ledger_kind::wildcard) || (by_rule && key != rule.suffix)) return std::nullopt;
        return place_in(paid.kind, key, rule);
    }

    place place_in(ledger_kind kind, std::string_view key, const name_rule& rule) const
    {
        const auto made = [&](std::uint32_t bits, std::string_view setting, bool narrow = false) {
            return place{tier_of(kind), kind, key, in_eighths(bits), setting, narrow};
        };
        switch (kind) {
        case ledger_kind::wildcard:
            if (rule.bits) return made(*rule.bits, "dns_bits");
            if (is_provider(purchased_domain(key))) return made(how.provider_bits, "provider_bits");
            return made(how.wildcard_bits, "wildcard_bits", true);
        case ledger_kind::provider: return made(how.provider_bits, "provider_bits");
        case ledger_kind::popular: return made(how.popular_bits, "popular_bits");
        case ledger_kind::tenants: return made(how.tenant_bits, "tenant_bits");
        case ledger_kind::unknown: break;
        }
        return made(how.unknown_domain_bits, "unknown_domain_bits");
    }

    bill price(std::string_view name, std::uint16_t qtype, const place& where, const ledger& entry)
    {
        bill out;
        out.known_name = names.find(hash_of(name)) != nullptr;
        out.total = type_cost(qtype) + (out.known_name ? 0 : new_name);
        const auto below =
            name.size() > where.key.size() ? name.substr(0, name.size() - where.key.size() - 1) : std::string_view();
        if (out.known_name || below.empty()) return out;
        const bool first = entry.nodes == 0;
        if (first && below == "www") {
            out.total += first_www;
            out.new_paths = 1;
            return out;
        }
        out.total += first ? first_below : log2_eighths(1 + std::uint64_t{entry.nodes});
        add_labels(name, below, where, out);
        return out;
    }

    // The labels in front of the longest suffix that was paid.
    void add_labels(std::string_view name, std::string_view below, const place& where, bill& out)
    {
        const bool shared = where.kind == ledger_kind::provider && has_customers(where.key);
        const auto zone = shared ? tenant_zone(name) : std::string_view();
        for (std::size_t begin = 0; begin < below.size();) {
            if (paths.find(hash_of(name.substr(begin))) != nullptr) return;
            const auto label = below.substr(begin, below.find('.', begin) - begin); // npos - begin: to the end
            const auto paid = model.labels.price(label);
            const auto cost = one_more_label + paid.cost;
            out.total += cost;
            if (shared) {
                const bool chosen = !zone.empty() && name.size() - begin > zone.size();
                out.tenants += std::max(surprise(label, paid), chosen ? chosen_label : 0U);
            }
            ++out.new_paths;
            begin += label.size() + 1;
        }
    }

    void mark_paths(std::string_view name, std::size_t count)
    {
        for (std::size_t begin = 0; count > 0; --count) {
            paths.find_or_add(hash_of(name.substr(begin)));
            begin = name.find('.', begin) + 1;
        }
    }

    void refuse(charge& out, ledger* entry, std::string_view setting)
    {
        out.allowed = false;
        out.setting = setting;
        bool& alerted = entry != nullptr ? entry->alerted : overflow_alerted;
        out.first_refusal = !alerted;
        alerted = true;
        if (entry != nullptr) entry->blocked = true;
    }

    charge spend(std::string_view name, std::uint16_t qtype, const place& where);
    bool fits_job(charge& out, std::uint32_t amount);
    bool only_alerts(charge& out);
    bool charge_tenants(charge& out, std::uint32_t amount, const place& where);
    std::optional<bill> paid_again(charge& out, const paid_name& before, std::uint16_t qtype);
    std::string_view shortage(charge& out, const bill& due, const ledger& entry, const place& where);
    void remember(std::uint64_t name_hash, std::uint16_t qtype, const bill& due, const place& where);
};

/// Counts `amount` against all unknown domains together. False: it is too much, and may not be.
bool budget::ledgers::fits_job(charge& out, std::uint32_t amount)
{
    if (job_spent + amount > in_eighths(how.job_bits)) return only_alerts(out);
    job_spent += amount;
    return true;
}

/// A limit of the whole job was reached. True in mode audit, where that refuses nothing.
bool budget::ledgers::only_alerts(charge& out)
{
    out.over_job_limit = true;
    out.first_over_job = !job_alerted;
    job_alerted = true;
    return how.job_limit_alerts_only;
}

/// The setting that would have to be larger for the query to pass; empty: it passes.
std::string_view budget::ledgers::shortage(charge& out, const bill& due, const ledger& entry, const place& where)
{
    if (entry.spent + due.total > where.limit) return where.setting;
    if (due.total > in_eighths(how.query_bits)) return "query_bits";
    if (where.narrow && due.total > in_eighths(how.wildcard_query_bits)) return "wildcard_query_bits";
    if (!due.again && answers == how.max_answers) return "max_answers";
    if (paths.room() < due.new_paths) return "max_paths";
    if (where.tier != name_tier::unknown) return {};
    if (due.total > mere_visit) return fits_job(out, due.total) ? std::string_view() : "job_bits";
    if (due.total > 0 && visits == how.new_domains) return "new_domains";
    visits += due.total > 0 ? 1 : 0;
    return {};
}

/// Counts what a provider's customers chose. False: refused.
bool budget::ledgers::charge_tenants(charge& out, std::uint32_t amount, const place& where)
{
    auto* tenants = keys.find_or_add(hash_of(ledger_kind::tenants, where.key));
    const auto limit = in_eighths(how.tenant_bits);
    std::string_view setting;
    if (tenants == nullptr)
        setting = "max_keys";
    else if (tenants->blocked || (tenants->spent + amount > limit && !only_alerts(out)))
        setting = "tenant_bits";
    if (setting.empty()) {
        tenants->spent += amount;
        return true;
    }
    refuse(out, tenants, setting);
    out.limit = limit;
    if (tenants != nullptr) out.spent = tenants->spent;
    return false;
}

/// What was asked for before: free, unless nobody answered.
std::optional<bill> budget::ledgers::paid_again(charge& out, const paid_name& before, std::uint16_t qtype)
{
    const auto bit = type_bit(qtype);
    const auto mask = static_cast<std::uint16_t>(1U << bit);
    if ((before.types & mask) == 0) return std::nullopt;
    bill due;
    due.known_name = true;
    due.again = true;
    if ((before.unanswered & mask) != 0) due.total = one_more_try + log2_eighths(1 + answers);
    out.paid_before = due.total == 0;
    out.price = before.first_type == bit ? before.first_price : type_cost(qtype);
    return due;
}

charge budget::ledgers::spend(std::string_view name, std::uint16_t qtype, const place& where)
{
    charge out;
    out.tier = where.tier;
    out.key = host_text(where.key);
    out.limit = where.limit;
    auto* entry = keys.find_or_add(hash_of(where.kind, where.key));
    if (entry == nullptr) {
        refuse(out, nullptr, "max_keys");
        return out;
    }
    out.spent = entry->spent;
    const auto name_hash = hash_of(name);
    const auto* before = names.find(name_hash);
    const auto again = before != nullptr ? paid_again(out, *before, qtype) : std::nullopt;
    const auto due = again ? *again : price(name, qtype, where, *entry);
    if (!out.paid_before) out.price = due.total;
    if (entry->blocked) {
        refuse(out, entry, where.setting);
        return out;
    }
    if (out.paid_before) {
        out.allowed = true;
        return out;
    }
    if (const auto setting = shortage(out, due, *entry, where); !setting.empty()) {
        refuse(out, entry, setting);
        return out;
    }
    if (due.tenants > 0 && !charge_tenants(out, due.tenants, where)) return out; // last: it spends
    out.allowed = true;
    out.cost = due.total;
    entry->spent += due.total;
    entry->nodes += static_cast<std::uint32_t>(due.new_paths);
    out.spent = entry->spent;
    mark_paths(name, due.new_paths);
    remember(name_hash, qtype, due, where);
    return out;
}

void budget::ledgers::remember(std::uint64_t name_hash, std::uint16_t qtype, const bill& due, const place& where)
{
    const auto bit = type_bit(qtype);
    const auto mask = static_cast<std::uint16_t>(1U << bit);
    auto& paid = *names.find_or_add(name_hash); // there is room: see shortage
    if (paid.types == 0) {
        paid.first_price = due.total;
        paid.first_type = static_cast<std::uint8_t>(bit);
        paid.kind = where.kind;
        paid.key_size = static_cast<std::uint8_t>(where.key.size());
    }
    paid.types = static_cast<std::uint16_t>(paid.types | mask);
    paid.unanswered = static_cast<std::uint16_t>(paid.unanswered & ~mask);
    if (!due.again) ++answers;
}

std::string setting_of(const charge& refused)
{
    return std::string(refused.setting == "dns_bits" ? "" : "dns.exfiltration.") + std::string(refused.setting);
}

std::string explain(const charge& refused)
{
    const auto bits = [](std::uint32_t amount) { return std::to_string((amount + eighths - 1) / eighths); };
    const std::string key(refused.key.view());
    if (refused.setting.empty()) return key + " is blocked for this job: a name that no host can have was asked for";
    const auto setting = " (" + setting_of(refused) + ")";
    if (refused.first_refusal && refused.setting.ends_with("query_bits"))
        return "one query below " + key + " would say " + bits(refused.price) + " bits" + setting;
    if (refused.spent + refused.price <= refused.limit) return key + " is blocked for this job" + setting;
    return key + " may say " + bits(refused.limit) + " bits, " + bits(refused.spent) + " are spent, this needs " +
           bits(refused.price) + setting;
}

budget::budget(const budget_settings& how, const name_model& model, const siphash_key& key)
    : ledgers_(std::make_unique<ledgers>(how, model, key))
{
}

budget::~budget() = default;

charge budget::spend(std::string_view canonical_name, std::uint16_t qtype, const name_rule& rule)
{
    charge free;
    free.allowed = true;
    free.tier = name_tier::known;
    if (rule.how == name_rule::kind::exact) {
        free.key = host_text(canonical_name);
        return free;
    }
    {
        const std::lock_guard lock(mutex_);
        const auto* paid = ledgers_->names.find(ledgers_->hash_of(canonical_name));
        const auto where = paid != nullptr ? ledgers_->place_of_paid(canonical_name, *paid, rule) : std::nullopt;
        if (where) return ledgers_->spend(canonical_name, qtype, *where);
    }
    const auto domains = domains_of(canonical_name);
    if (ledgers_->is_known(canonical_name, domains)) {
        free.key = host_text(canonical_name);
        return free;
    }
    const auto where = ledgers_->place_of(canonical_name, domains, rule);
    const std::lock_guard lock(mutex_);
    return ledgers_->spend(canonical_name, qtype, where);
}

void budget::unanswered(std::string_view canonical_name, std::uint16_t qtype)
{
    const std::lock_guard lock(mutex_);
    auto* paid = ledgers_->names.find(ledgers_->hash_of(canonical_name));
    if (paid != nullptr) paid->unanswered = static_cast<std::uint16_t>(paid->unanswered | (1U << type_bit(qtype)));
}

charge budget::block(std::string_view readable, const name_rule& rule)
{
    auto where = ledgers_->place_of(readable, domains_of(readable), rule);
    if (where.kind == ledger_kind::provider) where = ledgers_->place_in(ledger_kind::tenants, where.key, rule);
    const std::lock_guard lock(mutex_);
    charge out;
    out.why = reason::malformed_name;
    out.tier = where.tier;
    out.key = host_text(where.key);
    out.limit = where.limit;
    auto* entry = ledgers_->keys.find_or_add(ledgers_->hash_of(where.kind, where.key));
    if (entry != nullptr) out.spent = entry->spent;
    ledgers_->refuse(out, entry, {});
    return out;
}

} // namespace cofferdam::dns
