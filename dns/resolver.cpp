#include "dns/resolver.hpp"

#include "dns/refusal.hpp"
#include "dns/special_names.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

constexpr std::size_t waiters_per_flight = 8; // on average, at max_in_flight

record address_record(const name& owner, const ip_address& address, std::uint32_t ttl)
{
    return {owner, address.is_v4() ? rr::a : rr::aaaa, ttl, address};
}

/// The other name that a record leads to; null if none.
struct target_of {
    const name* operator()(const name& n) const noexcept { return &n; }
    const name* operator()(const mx_rdata& d) const noexcept { return &d.exchange; }
    const name* operator()(const srv_rdata& d) const noexcept { return &d.target; }
    const name* operator()(const svcb_rdata& d) const noexcept { return &d.target; }
    template <class Other>
    const name* operator()(const Other&) const noexcept
    {
        return nullptr;
    }
};

} // namespace

resolver::resolver(const settings& how, bindings& names, const inspector& gate, callbacks calls)
    : settings_(how), names_(names), gate_(gate), calls_(std::move(calls)), cache_(how.max_cache),
      kept_(2 * how.exfiltration.max_answers)
{
}

std::string resolver::key_of(std::string_view name, std::uint16_t qtype)
{
    std::string out(name);
    out += '/'; // in no host-like name
    out += static_cast<char>(qtype >> 8);
    out += static_cast<char>(qtype & 0xFF);
    return out;
}

action resolver::on_query(byte_view packet, transport how, const ip_endpoint& source, ticket to, clock::time_point now)
{
    auto inspected = gate_.inspect(packet, how, source, to, now);
    if (auto* refused = std::get_if<answer>(&inspected)) return std::move(*refused);
    if (auto* dropped = std::get_if<drop>(&inspected)) return std::move(*dropped);
    waiter w{std::move(std::get<passed>(inspected)), false, false};
    if (calls_.ready != nullptr) {
        if (auto known = calls_.ready->find(w, now)) return std::move(*known);
    }
    auto next = advance(w, nullptr, now);
    if (auto* done = std::get_if<answer>(&next)) return std::move(*done);
    return enqueue(std::move(w), std::get<std::uint16_t>(next), now);
}

outcome resolver::on_upstream(std::uint64_t id, const result<response>& received, clock::time_point now)
{
    outcome out;
    auto found = flights_.extract(id);
    if (found.empty()) return out;
    flight landed = std::move(found.mapped());
    flight_of_.erase(key_of(landed.name, landed.qtype));
    waiters_ -= landed.waiters.size();

    upstream_result result;
    result.stored = now;
    if (received)
        result.got = *received;
    else
        result.failed = received.error();
    const fresh_result fresh{landed.qtype, &result};
    bool paid = false;
    for (auto& w : landed.waiters) {
        paid = paid || (w.paid && w.paid->tier != name_tier::known);
        if (paid && was_heard(result.failed) && !is_answer(result) && calls_.unanswered)
            calls_.unanswered(w.q.text.view(), w.q.qtype);
        auto next = advance(w, &fresh, now);
        if (auto* done = std::get_if<answer>(&next)) {
            out.answers.push_back(std::move(*done));
            continue;
        }
        auto queued = enqueue(std::move(w), std::get<std::uint16_t>(next), now);
        if (auto* refused = std::get_if<answer>(&queued)) out.answers.push_back(std::move(*refused));
        if (auto* ask = std::get_if<forward>(&queued)) out.next = std::move(*ask);
    }
    keep(landed, std::move(result), paid);
    return out;
}

bool resolver::is_answer(const upstream_result& result) noexcept
{
    return !result.failed && (result.got.code == rcode::noerror || result.got.code == rcode::nxdomain);
}

const resolver::upstream_result* resolver::find_cached(std::string_view name, std::uint16_t qtype, clock::time_point now)
{
    const auto key = key_of(name, qtype);
    const auto* kept = kept_.find(key, now);
    return kept != nullptr ? kept : cache_.find(key, now);
}

void resolver::keep(const flight& landed, upstream_result result, bool paid)
{
    const auto key = key_of(landed.name, landed.qtype);
    if (paid && is_answer(result)) {
        kept_.put(key, std::move(result), clock::time_point::max());
        return;
    }
    const auto expiry = expiry_of(result);
    cache_.put(key, std::move(result), expiry);
}

std::vector<answer> resolver::abandon(clock::time_point now)
{
    std::vector<answer> out;
    for (auto& [id, ended] : flights_) {
        for (auto& w : ended.waiters) {
            w.verdict.allowed = false;
            out.push_back(refuse(w, reason::shutting_down, rcode::servfail, ede_code::not_ready, now));
        }
    }
    flights_.clear();
    flight_of_.clear();
    waiters_ = 0;
    return out;
}

action resolver::enqueue(waiter w, std::uint16_t qtype, clock::time_point now)
{
    const std::string name(w.q.text.view());
    const auto key = key_of(name, qtype);
    const auto known = flight_of_.find(key);
    const bool full = known == flight_of_.end() && flights_.size() >= settings_.max_in_flight;
    if (full || waiters_ >= waiters_per_flight * settings_.max_in_flight)
        return refuse(w, reason::overload, rcode::servfail, ede_code::other, now);
    ++waiters_;
    w.waited = true;
    if (known != flight_of_.end()) {
        flights_.at(known->second).waiters.push_back(std::move(w));
        return waiting{};
    }
    const auto id = ++last_id_;
    auto& started = flights_[id];
    started.name = name;
    started.qtype = qtype;
    started.waiters.push_back(std::move(w));
    flight_of_.emplace(key, id);
    return forward{id, name, qtype};
}

// ---- answers from upstream results ----

std::variant<answer, std::uint16_t> resolver::advance(waiter& w, const fresh_result* fresh, clock::time_point now)
{
    const auto text = w.q.text.view();
    if (is_gateway_host(text)) {
        if (w.q.qtype == rr::a) return answer_bound(w, gateway_host, nullptr, now);
        return finish(w, {}, now);
    }
    const bool is_virtual = settings_.answers == answer_mode::virtual_addresses;
    if (is_virtual && w.q.qtype == rr::aaaa) return finish_ready(w, {}, nullptr, now);
    const bool virtual_a = is_virtual && w.q.qtype == rr::a;
    const std::uint16_t wanted = virtual_a && w.ipv4_absent ? rr::aaaa : w.q.qtype;
    const upstream_result* known = fresh != nullptr && fresh->qtype == wanted ? fresh->value : find_cached(text, wanted, now);
    if (known == nullptr) return wanted;
    if (!virtual_a) return answer_from(w, *known, now);
    auto done = answer_virtual(w, *known, now);
    if (std::holds_alternative<answer>(done)) return done;
    w.ipv4_absent = true; // ask again, for the other family: at most once, since answer_virtual then decides
    return advance(w, fresh, now);
}

std::optional<answer> resolver::answer_failure(waiter& w, const upstream_result& result, clock::time_point now) const
{
    if (result.failed) {
        const auto failure = describe_failure(result.failed);
        return refuse(w, failure.why, rcode::servfail, failure.error, now);
    }
    if (result.got.code == rcode::noerror) return std::nullopt;
    if (result.got.code == rcode::nxdomain) {
        w.verdict.why = reason::name_not_found;
        return finish_ready(w, {rcode::nxdomain, {}, {}}, &result, now);
    }
    return refuse(w, reason::resolve_failed, rcode::servfail, ede_code::other, now,
                  "upstream answered " + to_text(result.got.code));
}

// A target need not be on the allow-list, or no name behind a CDN could be used; one that a rule denies stays denied.
std::optional<answer> resolver::refuse_denied_hop(waiter& w, const upstream_result& result, clock::time_point now) const
{
    for (const auto& hop : result.got.chain) {
        host_text target;
        std::get<name>(hop.data).text_into(target);
        auto verdict = gate_.judge(target.view(), w.q.qtype);
        if (verdict.why != reason::denied_by_rule) continue;
        const bool refused = !verdict.allowed;
        if (refused) return refuse_target(w, std::move(verdict), target.view(), now);
        w.verdict = std::move(verdict);
        return std::nullopt;
    }
    return std::nullopt;
}

answer resolver::refuse_target(waiter& w, policy_answer verdict, std::string_view target, clock::time_point now) const
{
    w.verdict = std::move(verdict);
    return refuse(w, reason::denied_by_rule, rcode::refused, ede_code::blocked, now, "leads to " + std::string(target));
}

bool resolver::address_permitted(std::string_view name, const ip_address& address) const
{
    return calls_.address_allowed ? calls_.address_allowed(name, address) : address.scope() == ip_scope::global;
}

// Notes the verdict on a record's target; true if the record may not be handed on.
bool resolver::target_denied(const record& r, sifted& into, std::uint16_t qtype) const
{
    const auto* target = std::visit(target_of{}, r.data);
    if (target == nullptr || target->is_root() || *target == r.owner) return false;
    host_text text;
    target->text_into(text);
    auto verdict = gate_.judge(text.view(), qtype);
    if (verdict.why != reason::denied_by_rule) return false;
    const bool refused = !verdict.allowed;
    into.denied = std::move(verdict);
    into.target = text.view();
    return refused;
}

resolver::sifted resolver::sift(const waiter& w, const std::vector<record>& records) const
{
    sifted out;
    for (const auto& r : records) {
        const auto* address = std::get_if<ip_address>(&r.data);
        if (address != nullptr && !address_permitted(w.q.text.view(), *address)) {
            out.private_address = true;
            continue;
        }
        if (target_denied(r, out, w.q.qtype)) continue;
        out.kept.push_back(r);
        auto* service = std::get_if<svcb_rdata>(&out.kept.back().data);
        if (service != nullptr && !strip_service_parameters(*service)) out.kept.pop_back();
    }
    return out;
}

answer resolver::answer_from(waiter& w, const upstream_result& result, clock::time_point now)
{
    if (auto failed = answer_failure(w, result, now)) return std::move(*failed);
    if (auto denied = refuse_denied_hop(w, result, now)) return std::move(*denied);
    auto found = sift(w, result.got.answers);
    if (found.kept.empty() && found.private_address)
        return refuse(w, reason::private_address, rcode::refused, ede_code::blocked, now);
    if (found.denied && !found.denied->allowed && found.kept.empty())
        return refuse_target(w, std::move(*found.denied), found.target, now);
    if (found.denied && found.denied->allowed) w.verdict = std::move(*found.denied); // mode audit: recorded, not refused
    reply out;
    if (settings_.answers == answer_mode::real) out.answers = result.got.chain;
    for (auto& r : found.kept) {
        // Where addresses are virtual the chain stays hidden, and the records belong to the name asked for.
        if (settings_.answers == answer_mode::virtual_addresses) r.owner = w.q.qname;
        out.answers.push_back(std::move(r));
    }
    for (auto& r : out.answers) r.ttl = remaining_ttl(r.ttl, result, now);
    return finish_ready(w, std::move(out), &result, now);
}

// The answer, or the type that decides where A alone does not.
std::variant<answer, std::uint16_t> resolver::answer_virtual(waiter& w, const upstream_result& result, clock::time_point now)
{
    if (auto failed = answer_failure(w, result, now)) return std::move(*failed);
    if (auto denied = refuse_denied_hop(w, result, now)) return std::move(*denied);
    const auto fine = [&](const record& r) { return address_permitted(w.q.text.view(), std::get<ip_address>(r.data)); };
    const auto& addresses = result.got.answers;
    if (std::any_of(addresses.begin(), addresses.end(), fine)) return answer_bound(w, w.q.text.view(), &result, now);
    if (!addresses.empty()) return refuse(w, reason::private_address, rcode::refused, ede_code::blocked, now);
    if (!w.ipv4_absent) return rr::aaaa;
    return finish(w, {}, now);
}

answer resolver::answer_bound(waiter& w, std::string_view name, const upstream_result* from, clock::time_point now)
{
    const auto address = names_.bind(name);
    if (!address)
        return refuse(w, reason::overload, rcode::servfail, ede_code::other, now, "the table of virtual addresses is full");
    const auto ttl = static_cast<std::uint32_t>(settings_.virtual_ttl.count());
    reply out;
    out.answers.push_back(address_record(w.q.qname, *address, ttl));
    return finish_ready(w, std::move(out), from, now);
}

// The answer. From the second time on it is kept for whoever asks next: as long as upstream's word holds, or for good where
// there is none behind it.
answer resolver::finish_ready(waiter& w, reply what, const upstream_result* from, clock::time_point now) const
{
    const auto expiry = from == nullptr || is_kept(w, *from) ? clock::time_point::max() : expiry_of(*from);
    auto out = finish(w, std::move(what), now);
    // A virtual address is given for its own time; one that two families decide on is decided anew.
    const bool virtual_a = settings_.answers == answer_mode::virtual_addresses && w.q.qtype == rr::a;
    const bool asked_again = !w.waited && !w.ipv4_absent;
    if (calls_.ready != nullptr && asked_again) calls_.ready->keep(w.q, out, expiry, !virtual_a, now);
    return out;
}

bool resolver::is_kept(const judged_query& w, const upstream_result& result) noexcept
{
    return w.paid && w.paid->tier != name_tier::known && is_answer(result);
}

// ---- time to live ----

resolver::clock::time_point resolver::expiry_of(const upstream_result& result) const
{
    constexpr std::chrono::seconds failure_ttl{1}; // RFC 9520, 3.2: failures are cached, at least a second
    const auto& got = result.got;
    if (result.failed || (got.code != rcode::noerror && got.code != rcode::nxdomain)) return result.stored + failure_ttl;
    if (got.code == rcode::nxdomain || got.answers.empty()) {
        const std::chrono::seconds said{got.negative_ttl.value_or(static_cast<std::uint32_t>(settings_.min_ttl.count()))};
        return result.stored + std::min(std::max(said, settings_.min_ttl), settings_.negative_ttl);
    }
    auto shortest = settings_.max_ttl;
    for (const auto* records : {&got.chain, &got.answers}) {
        for (const auto& r : *records) shortest = std::min(shortest, std::chrono::seconds(r.ttl));
    }
    return result.stored + std::max(shortest, settings_.min_ttl);
}

std::uint32_t resolver::remaining_ttl(std::uint32_t ttl, const upstream_result& result, clock::time_point now) const
{
    const auto clamped = std::clamp(std::chrono::seconds(ttl), settings_.min_ttl, settings_.max_ttl);
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - result.stored);
    return static_cast<std::uint32_t>(std::max(clamped - age, std::chrono::seconds(0)).count());
}

} // namespace cofferdam::dns
