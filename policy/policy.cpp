#include "policy/policy.hpp"

#include "core/text.hpp"
#include "policy/expr.hpp"
#include "policy/hint.hpp"
#include "policy/index.hpp"
#include "policy/name.hpp"
#include "policy/url.hpp"

#include <algorithm>
#include <atomic>
#include <optional>

namespace cofferdam::policy {
namespace {

std::string located(const location& where, const std::string& message)
{
    std::string out = where.file;
    if (where.line > 0) out.append(out.empty() ? "" : ":").append(std::to_string(where.line));
    if (where.line > 0 && where.column > 0) out.append(":").append(std::to_string(where.column));
    return out.empty() ? message : out + ": " + message;
}

enum class rule_action : std::uint8_t { allow, deny, alert };

struct rule {
    std::string name;
    expr::expression when;
    rule_action then;
    std::optional<capture_level> capture;
};

/// An allow-list with its index.
struct list {
    std::vector<endpoint> entries;
    endpoint_index index;
    std::map<std::string, std::uint32_t> dns_bits; // by wildcard

    template <class Parse>
    list(const std::vector<entry_source>& sources, Parse parse)
    {
        entries.reserve(sources.size());
        for (const auto& source : sources) {
            entries.push_back(parse(source));
            const auto& added = entries.back();
            index.add(added, static_cast<entry_number>(entries.size() - 1));
            if (!added.dns_bits) continue;
            auto& bits = dns_bits[added.where.to_string()];
            bits = std::max(bits, *added.dns_bits);
        }
    }
};

rule_action parse_action(const rule_source& source)
{
    if (source.action == "allow") return rule_action::allow;
    if (source.action == "deny") return rule_action::deny;
    if (source.action == "alert") return rule_action::alert;
    throw policy_error(source.where, "rule '" + source.name + "': unknown action '" + escape_line(source.action) +
                                         "'; expected allow, deny or alert");
}

std::optional<capture_level> parse_capture(const rule_source& source)
{
    if (source.capture.empty()) return std::nullopt;
    for (const auto level : {capture_level::none, capture_level::summary, capture_level::headers, capture_level::full}) {
        if (source.capture == to_string(level)) return level;
    }
    throw policy_error(source.where, "rule '" + source.name + "': unknown capture level '" + escape_line(source.capture) +
                                         "'; expected none, summary, headers or full");
}

rule compile_rule(const rule_source& source, std::size_t number)
{
    const auto name = source.name.empty() ? "rule " + std::to_string(number + 1) : source.name;
    try {
        return {name, expr::expression::compile(source.expr), parse_action(source), parse_capture(source)};
    }
    catch (const expr::syntax_error& wrong) {
        throw policy_error(source.where, "rule '" + name + "', column " + std::to_string(wrong.offset + 1) +
                                             " of the expression: " + wrong.what());
    }
}

/// The host that a question is about.
struct judged_host {
    std::string_view name; // if not a literal
    std::optional<ip_address> literal;

    judged_host(std::string_view host, const ip_address* dialled)
    {
        if (host.empty() && dialled)
            literal = dialled->unmapped();
        else if (const auto parsed = ip_address::parse(host))
            literal = parsed->unmapped();
        else
            name = host;
    }

    template <class Visit>
    bool for_each_match(const endpoint_index& index, Visit visit) const
    {
        return literal ? index.for_each_match(*literal, visit) : index.for_each_match(name, visit);
    }
};

/// What the list says: an entry, or how near the best one came.
struct finding {
    entry_number entry = no_entry;
    reason why = reason::not_in_allow_list;

    void came_to(reason r) noexcept
    {
        const auto rank = [](reason x) {
            switch (x) {
            case reason::method_not_allowed: return 3;
            case reason::path_not_allowed: return 2;
            case reason::port_not_allowed: return 1;
            default: return 0;
            }
        };
        if (rank(r) > rank(why)) why = r;
    }
};

entry_number entry_at(const std::unordered_map<std::uint16_t, entry_number>& ports, std::uint16_t port)
{
    const auto found = ports.find(port);
    return found == ports.end() ? no_entry : found->second;
}

entry_number tcp_entry(const host_rules& rules, application app, std::uint16_t port)
{
    const auto any = entry_at(rules.any, port);
    if (any != no_entry || app == application::opaque) return any;
    const auto* https = app == application::http ? nullptr : rules.urls("https", port);
    if (https) return https->first();
    const auto* http = app == application::tls ? nullptr : rules.urls("http", port);
    return http ? http->first() : no_entry;
}

finding find_connection(const list& allow, const judged_host& host, const connection_attempt& attempt)
{
    finding out;
    const bool udp = attempt.proto == transport::udp;
    if (udp) out.why = reason::protocol_not_allowed;
    const auto port = attempt.destination.port;
    host.for_each_match(allow.index, [&](const host_rules& rules) {
        if (udp ? !rules.udp.empty() : rules.is_reachable()) out.came_to(reason::port_not_allowed);
        out.entry = udp ? entry_at(rules.udp, port) : tcp_entry(rules, attempt.app, port);
        return out.entry != no_entry;
    });
    return out;
}

finding find_request(const list& allow, const judged_host& host, const http_request& request)
{
    finding out;
    host.for_each_match(allow.index, [&](const host_rules& rules) {
        if (rules.is_reachable()) out.came_to(reason::port_not_allowed);
        if (const auto* urls = rules.urls(request.scheme, request.port)) {
            const auto match = urls->find(request.path, request.method);
            out.came_to(match.covers_path ? reason::method_not_allowed : reason::path_not_allowed);
            out.entry = match.entry;
        }
        if (out.entry == no_entry) out.entry = entry_at(rules.any, request.port);
        return out.entry != no_entry;
    });
    return out;
}

finding find_name(const list& allow, std::string_view name)
{
    finding out;
    allow.index.for_each_match(name, [&](const host_rules& rules) {
        out.entry = rules.first;
        return true;
    });
    return out;
}

/// How the entry names hosts. Of several entries with one wildcard, the largest dns_bits counts.
name_match match_of(const list& entries, entry_number number)
{
    const auto& entry = entries.entries[number];
    name_match out;
    if (entry.where.how == host_pattern::match::exact) {
        out.how = name_match::kind::exact;
        return out;
    }
    out.how = name_match::kind::wildcard;
    out.suffix = entry.where.name;
    const auto own = entries.dns_bits.find(entry.where.to_string());
    if (own != entries.dns_bits.end()) out.dns_bits = own->second;
    return out;
}

} // namespace

policy_error::policy_error(location at, const std::string& message)
    : std::runtime_error(located(at, message)), where(std::move(at))
{
}

struct policy::impl {
    mode how;
    std::string phase;
    capture_level capture_default, capture_denied;
    list allow, passthrough;
    std::vector<rule> rules;
    std::vector<std::uint16_t> udp_ports;
    std::uint64_t number = next_number();

    static std::uint64_t next_number() noexcept
    {
        static std::atomic<std::uint64_t> last{0};
        return ++last;
    }

    bool closed() const noexcept { return !phase.empty() && allow.entries.empty(); }

    /// What the rules say. `maybe`: an allow rule may still say yes when more is known.
    enum class ruling : std::uint8_t { none, allow, deny, maybe };

    struct outcome {
        ruling says = ruling::none;
        const rule* by = nullptr;
        bool alert = false;
        std::optional<capture_level> capture;
    };

    /// The first allow or deny decides; alert rules are all looked at. An allow rule that depends on what is not known yet holds
    /// back the deny rules behind it and lets the flow go on: one that says nothing of the host lets every name be resolved.
    /// Judges by `readings` of one question: a deny or alert rule needs one that is true, an allow rule all of them.
    /// `last`: no later stage will ask again, so "maybe" is "no".
    outcome judge(std::initializer_list<const expr::fields*> readings, bool last) const
    {
        outcome out;
        for (const auto& r : rules) {
            if (out.by && r.then != rule_action::alert) continue;
            bool some = false;
            bool all = true;
            bool could = true;
            for (const auto* reading : readings) {
                const auto t = r.when.evaluate(*reading);
                some = some || t == expr::truth::yes;
                all = all && t == expr::truth::yes;
                could = could && expr::could_be_yes(t);
            }
            if (r.then == rule_action::alert && some) {
                out.alert = true;
                const bool settled = out.by && out.by->capture; // what decides has the last word on capture
                if (r.capture && !settled) out.capture = std::max(out.capture.value_or(*r.capture), *r.capture);
            }
            else if (r.then == rule_action::deny && some) {
                settle(out, ruling::deny, r);
            }
            else if (r.then == rule_action::allow && (all || (could && !last))) {
                settle(out, all ? ruling::allow : ruling::maybe, r);
            }
        }
        return out;
    }

    static void settle(outcome& out, ruling says, const rule& by)
    {
        out.says = says;
        out.by = &by;
        if (by.capture && says != ruling::maybe) out.capture = by.capture;
    }

    decision allowed(stage at, const outcome& ruled, reason why, std::string rule_text) const
    {
        decision out{.act = action::allow, .would = action::allow, .at = at, .why = why, .rule = std::move(rule_text)};
        out.alert = ruled.alert;
        out.capture = ruled.capture.value_or(capture_default);
        return out;
    }

    decision denied(stage at, const outcome& ruled, reason why, std::string rule_text, std::string hint) const
    {
        decision out{.act = how == mode::audit ? action::allow : action::deny,
                     .would = action::deny,
                     .at = at,
                     .why = why,
                     .rule = std::move(rule_text),
                     .hint = std::move(hint)};
        out.alert = ruled.alert;
        out.capture = ruled.capture.value_or(capture_denied);
        return out;
    }

    /// What a rule settled, if one did.
    std::optional<decision> by_rule(stage at, const outcome& ruled) const
    {
        if (ruled.says == ruling::allow) return allowed(at, ruled, reason::allowed_by_rule, ruled.by->name);
        if (ruled.says == ruling::deny) return denied(at, ruled, reason::denied_by_rule, ruled.by->name, {});
        return std::nullopt;
    }

    /// What the list says, or a rule that may still allow.
    template <class Hint>
    decision by_list(stage at, const outcome& ruled, const finding& found, Hint hint) const
    {
        if (found.entry != no_entry) return allowed(at, ruled, reason::allowed_by_endpoint, allow.entries[found.entry].text);
        if (ruled.says == ruling::maybe) return allowed(at, ruled, reason::allowed_by_rule, ruled.by->name);
        return denied(at, ruled, closed() ? reason::phase_closed : found.why, {}, hint());
    }

    const endpoint* find_passthrough(std::string_view host, std::uint16_t port) const
    {
        entry_number entry = no_entry;
        passthrough.index.for_each_match(host, [&](const host_rules& r) {
            entry = entry_at(r.any, port);
            return entry != no_entry;
        });
        return entry == no_entry ? nullptr : &passthrough.entries[entry];
    }
};

policy::policy(std::unique_ptr<impl> compiled) : impl_(std::move(compiled)) {}
policy::~policy() = default;

std::shared_ptr<const policy> policy::compile(const policy_source& source, std::string_view phase)
{
    const auto* chosen = &source.allow;
    for (const auto& [name, entries] : source.phases) {
        if (name == phase)
            chosen = &entries;
        else
            for (const auto& entry : entries) static_cast<void>(parse_endpoint(entry)); // a broken phase stops the load too
    }
    if (!phase.empty() && chosen == &source.allow) {
        throw policy_error({}, "there is no phase '" + escape_line(phase) + "' in the configuration");
    }
    if (chosen != &source.allow)
        for (const auto& entry : source.allow) static_cast<void>(parse_endpoint(entry));

    auto out = std::make_unique<impl>(impl{source.how,
                                           std::string(phase),
                                           source.capture_default,
                                           source.capture_denied,
                                           list(*chosen, parse_endpoint),
                                           list(source.passthrough, parse_passthrough),
                                           {},
                                           {}});
    for (const auto& rule : source.rules) out->rules.push_back(compile_rule(rule, out->rules.size()));
    for (const auto& e : out->allow.entries) {
        if (e.kind == endpoint_kind::udp) out->udp_ports.push_back(e.port);
    }
    std::sort(out->udp_ports.begin(), out->udp_ports.end());
    out->udp_ports.erase(std::unique(out->udp_ports.begin(), out->udp_ports.end()), out->udp_ports.end());
    return std::shared_ptr<const policy>(new policy(std::move(out)));
}

decision policy::decide(const name_query& query) const
{
    const auto& p = *impl_;
    const expr::fields known(query);
    const auto ruled = p.judge({&known}, false);
    const auto found = find_name(p.allow, query.name);
    const auto passed = found.entry == no_entry && p.phase.empty() ? find_name(p.passthrough, query.name) : finding{};
    auto out = [&] {
        if (auto settled = p.by_rule(stage::name, ruled)) return std::move(*settled);
        if (passed.entry != no_entry)
            return p.allowed(stage::name, ruled, reason::allowed_by_passthrough, p.passthrough.entries[passed.entry].text);
        return p.by_list(stage::name, ruled, found, [&] { return hint_for(query); });
    }();
    if (found.entry != no_entry) out.matched = match_of(p.allow, found.entry);
    if (passed.entry != no_entry) out.matched = match_of(p.passthrough, passed.entry);
    return out;
}

decision policy::decide(const connection_attempt& attempt) const
{
    const auto& p = *impl_;
    const judged_host host(attempt.host, &attempt.destination.address);
    const bool may_be_tls = attempt.app == application::tls || attempt.app == application::unknown;
    const bool may_pass = attempt.proto == transport::tcp && may_be_tls;
    const auto* unopened = may_pass && !host.literal ? p.find_passthrough(host.name, attempt.destination.port) : nullptr;
    const bool opened_later =
        attempt.proto == transport::tcp && attempt.app != application::opaque && !(unopened && attempt.app == application::tls);
    const expr::fields known(attempt);
    const auto ruled = p.judge({&known}, !opened_later);
    if (auto settled = p.by_rule(stage::connection, ruled)) return std::move(*settled);
    const auto found = find_connection(p.allow, host, attempt);
    // Outside of phases passthrough allows by itself; a phase's list replaces that, so there it only says how.
    if (unopened && (p.phase.empty() || found.entry != no_entry)) {
        return p.allowed(stage::connection, ruled, reason::allowed_by_passthrough, unopened->text);
    }
    return p.by_list(stage::connection, ruled, found, [&] { return hint_for(attempt); });
}

decision policy::decide(const http_request& request) const
{
    const auto& p = *impl_;
    const expr::fields known(request);
    impl::outcome ruled;
    if (p.rules.empty() || !has_second_reading(request.path)) {
        ruled = p.judge({&known}, true);
    }
    else {
        const auto merged = merged_path(request.path);
        expr::fields second(request);
        second.set_path(merged);
        ruled = p.judge({&known, &second}, true);
    }
    if (auto settled = p.by_rule(stage::request, ruled)) return std::move(*settled);
    const auto found = find_request(p.allow, judged_host(request.host, nullptr), request);
    return p.by_list(stage::request, ruled, found, [&] { return hint_for(request, found.why == reason::method_not_allowed); });
}

bool policy::passthrough(std::string_view host, std::uint16_t port) const
{
    return impl_->find_passthrough(host, port) != nullptr;
}

bool policy::passthrough_by_name(std::string_view host, std::uint16_t port) const
{
    const auto* entry = impl_->find_passthrough(host, port);
    return entry && entry->where.how == host_pattern::match::exact;
}

bool policy::lists_url(const http_request& request) const
{
    if (request.path == "/") return false;
    const auto host = judged_host(request.host, nullptr);
    return host.for_each_match(impl_->allow.index, [&](const host_rules& rules) {
        const auto* urls = rules.urls(request.scheme, request.port);
        const auto entry = urls ? urls->find(request.path, request.method).entry : no_entry;
        return entry != no_entry && impl_->allow.entries[entry].path == request.path;
    });
}

decision policy::refused(stage at, reason why, std::string hint) const
{
    return impl_->denied(at, {}, why, {}, std::move(hint));
}

bool policy::allows_address(const ip_endpoint& where) const
{
    return impl_->allow.index.for_each_match(where.address.unmapped(), [&](const host_rules& rules) {
        if (where.port == 0) return true;
        return rules.any.contains(where.port) || rules.udp.contains(where.port) || rules.http.contains(where.port) ||
               rules.https.contains(where.port);
    });
}

const std::vector<std::uint16_t>& policy::udp_ports() const
{
    return impl_->udp_ports;
}
mode policy::how() const noexcept
{
    return impl_->how;
}
std::string_view policy::phase() const noexcept
{
    return impl_->phase;
}
std::uint64_t policy::number() const noexcept
{
    return impl_->number;
}

} // namespace cofferdam::policy
