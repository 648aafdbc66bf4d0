#include "dns/resolver.hpp"

#include "dns/refusal.hpp"
#include "dns/special_names.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

constexpr std::size_t waiters_per_flight = 8; // on average, at max_in_flight
constexpr std::size_t max_recorded_answers = 16;
constexpr std::uint32_t local_ttl = 60; // of answers that we make ourselves

struct fault_answer {
    reason why;
    rcode code;
    ede_code error;
    std::string_view detail;
};

fault_answer describe_fault(query_fault fault) noexcept
{
    switch (fault) {
    case query_fault::not_a_query: break;
    case query_fault::formerr: return {reason::malformed_query, rcode::formerr, ede_code::other, {}};
    case query_fault::odd_name: return {reason::malformed_name, rcode::refused, ede_code::prohibited, {}};
    case query_fault::notimp: return {reason::unsupported_query, rcode::notimp, ede_code::not_supported, "opcode or signature"};
    case query_fault::badvers: return {reason::unsupported_query, rcode::badvers, ede_code::not_supported, "EDNS version"};
    }
    return {reason::malformed_query, rcode::formerr, ede_code::other, "not a DNS query"};
}

record address_record(const name& owner, const ip_address& address, std::uint32_t ttl)
{
    return {owner, address.is_v4() ? rr::a : rr::aaaa, ttl, address};
}

} // namespace

resolver::resolver(const settings& how, bindings& names, callbacks calls)
    : settings_(how), names_(names), calls_(std::move(calls)), cache_(how.max_cache)
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
    waiter w;
    w.to = to;
    w.how = how;
    w.source = source;
    w.started = now;
    auto parsed = parse_query(packet);
    if (!parsed) return refuse_bad(parsed.error(), std::move(w), now);
    w.q = *parsed;
    if (auto unsupported = answer_unsupported(w, now)) return std::move(*unsupported);
    if (auto local = answer_locally(w, now)) return std::move(*local);
    // The information budget is charged here: after the query is known to be well-formed, before anything judges the name.
    // apt and others ask for SRV records of a web server first: judged as that server, and answered here that there are none.
    const auto served = w.q.qtype == rr::srv ? host_of_web_service(w.q.text.view()) : std::string_view();
    w.verdict = judge(served.empty() ? w.q.text.view() : served, w.q.qtype);
    if (w.verdict.allowed && !served.empty()) return finish(w, {rcode::nxdomain, {}, {}}, now);
    if (!w.verdict.allowed) {
        const bool by_policy = is_refusal(w.verdict.why); // or the gateway itself cannot serve now: audit_failed, shutting_down
        return refuse(w, w.verdict.why, by_policy ? rcode::refused : rcode::servfail,
                      by_policy ? ede_code::blocked : ede_code::not_ready, now);
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
    for (auto& w : landed.waiters) {
        auto next = advance(w, &fresh, now);
        if (auto* done = std::get_if<answer>(&next)) {
            out.answers.push_back(std::move(*done));
            continue;
        }
        auto queued = enqueue(std::move(w), std::get<std::uint16_t>(next), now);
        if (auto* refused = std::get_if<answer>(&queued)) out.answers.push_back(std::move(*refused));
        if (auto* ask = std::get_if<forward>(&queued)) out.next = std::move(*ask);
    }
    const auto expiry = expiry_of(result);
    cache_.put(key_of(landed.name, landed.qtype), std::move(result), expiry);
    return out;
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

// ---- answers without upstream ----

action resolver::refuse_bad(const bad_query& bad, waiter w, clock::time_point now) const
{
    const auto fault = describe_fault(bad.fault);
    static_cast<query_head&>(w.q) = bad.head;
    if (bad.fault != query_fault::not_a_query)
        return refuse(w, fault.why, fault.code, fault.error, now, std::string(fault.detail));
    drop out;
    out.facts.how = w.how;
    out.facts.source = w.source;
    out.facts.decision.why = fault.why;
    out.facts.detail = fault.detail;
    return out;
}

std::optional<answer> resolver::answer_unsupported(waiter& w, clock::time_point now) const
{
    if (w.q.qclass != class_in)
        return refuse(w, reason::unsupported_query, rcode::refused, ede_code::prohibited, now, "class other than IN");
    if (w.q.qname.is_root())
        return refuse(w, reason::unsupported_query, rcode::refused, ede_code::prohibited, now, "the root itself");
    if (is_carried(w.q.qtype)) return std::nullopt;
    return refuse(w, reason::unsupported_query, rcode::notimp, ede_code::not_supported, now, "type " + type_text(w.q.qtype));
}

// Names that are answered here, whatever the policy: they tell nothing and leave no trace outside.
std::optional<answer> resolver::answer_locally(waiter& w, clock::time_point now) const
{
    const auto text = w.q.text.view();
    const auto local = [&](reply what, reason why) {
        w.verdict = {true, true, why, {}, {}};
        return finish(w, std::move(what), now);
    };
    if (is_localhost(text)) {
        reply out;
        const auto loopback = w.q.qtype == rr::a ? ip_address::v4({127, 0, 0, 1}) : ip_address::parse("::1").value();
        if (w.q.qtype == rr::a || w.q.qtype == rr::aaaa) out.answers.push_back(address_record(w.q.qname, loopback, local_ttl));
        return local(std::move(out), reason::completed);
    }
    const auto asked = address_of_reverse_name(text);
    if (!asked) return std::nullopt;
    std::string_view pointed = asked->scope() == ip_scope::loopback ? "localhost" : "";
    const auto bound = names_.name_of(*asked);
    if (bound) pointed = *bound;
    // Reverse names of private ranges are nobody's business outside (RFC 6303, 4.2); no data, or no such name.
    if (pointed.empty() && asked->scope() == ip_scope::global) return std::nullopt;
    if (pointed.empty()) return local({rcode::nxdomain, {}, {}}, reason::name_not_found);
    reply out;
    const auto target = name::parse(pointed);
    if (w.q.qtype == rr::ptr && target) out.answers.push_back({w.q.qname, rr::ptr, local_ttl, *target});
    return local(std::move(out), reason::completed);
}

policy_answer resolver::judge(std::string_view name, std::uint16_t qtype) const
{
    if (!calls_.policy) return {};
    return calls_.policy(is_gateway_host(name) ? gateway_host : name, qtype);
}

// ---- answers from upstream results ----

std::variant<answer, std::uint16_t> resolver::advance(waiter& w, const fresh_result* fresh, clock::time_point now)
{
    const auto text = w.q.text.view();
    if (is_gateway_host(text)) {
        if (w.q.qtype == rr::a) return answer_bound(w, gateway_host, now);
        return finish(w, {}, now);
    }
    const bool is_virtual = settings_.answers == answer_mode::virtual_addresses;
    if (is_virtual && w.q.qtype == rr::aaaa) return finish(w, {}, now);
    const bool virtual_a = is_virtual && w.q.qtype == rr::a;
    const std::uint16_t wanted = virtual_a && w.ipv4_absent ? rr::aaaa : w.q.qtype;
    const upstream_result* known =
        fresh != nullptr && fresh->qtype == wanted ? fresh->value : cache_.find(key_of(text, wanted), now);
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
        return finish(w, {rcode::nxdomain, {}, {}}, now);
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
        auto verdict = judge(target.view(), w.q.qtype);
        if (verdict.why != reason::denied_by_rule) continue;
        const bool refused = !verdict.allowed;
        w.verdict = std::move(verdict);
        if (!refused) return std::nullopt;
        return refuse(w, reason::denied_by_rule, rcode::refused, ede_code::blocked, now,
                      "alias of " + std::string(target.view()));
    }
    return std::nullopt;
}

std::vector<record> resolver::permitted(std::string_view name, const std::vector<record>& records, bool& some_dropped) const
{
    std::vector<record> out;
    for (const auto& r : records) {
        if (const auto* address = std::get_if<ip_address>(&r.data)) {
            const bool fine =
                calls_.address_allowed ? calls_.address_allowed(name, *address) : address->scope() == ip_scope::global;
            if (!fine) {
                some_dropped = true;
                continue;
            }
        }
        out.push_back(r);
        auto* service = std::get_if<svcb_rdata>(&out.back().data);
        if (service != nullptr && !strip_service_parameters(*service)) out.pop_back();
    }
    return out;
}

answer resolver::answer_from(waiter& w, const upstream_result& result, clock::time_point now)
{
    if (auto failed = answer_failure(w, result, now)) return std::move(*failed);
    if (auto denied = refuse_denied_hop(w, result, now)) return std::move(*denied);
    bool some_dropped = false;
    auto records = permitted(w.q.text.view(), result.got.answers, some_dropped);
    if (records.empty() && some_dropped) return refuse(w, reason::private_address, rcode::refused, ede_code::blocked, now);
    reply out;
    if (settings_.answers == answer_mode::real) out.answers = result.got.chain;
    for (auto& r : records) {
        // Where addresses are virtual the chain stays hidden, and the records belong to the name asked for.
        if (settings_.answers == answer_mode::virtual_addresses) r.owner = w.q.qname;
        out.answers.push_back(std::move(r));
    }
    for (auto& r : out.answers) r.ttl = remaining_ttl(r.ttl, result, now);
    return finish(w, std::move(out), now);
}

// The answer, or the type that decides where A alone does not.
std::variant<answer, std::uint16_t> resolver::answer_virtual(waiter& w, const upstream_result& result, clock::time_point now)
{
    if (auto failed = answer_failure(w, result, now)) return std::move(*failed);
    if (auto denied = refuse_denied_hop(w, result, now)) return std::move(*denied);
    bool some_dropped = false;
    if (!permitted(w.q.text.view(), result.got.answers, some_dropped).empty()) return answer_bound(w, w.q.text.view(), now);
    if (some_dropped) return refuse(w, reason::private_address, rcode::refused, ede_code::blocked, now);
    if (!w.ipv4_absent) return rr::aaaa;
    return finish(w, {}, now);
}

answer resolver::answer_bound(waiter& w, std::string_view name, clock::time_point now)
{
    const auto address = names_.bind(name);
    if (!address)
        return refuse(w, reason::overload, rcode::servfail, ede_code::other, now, "the table of virtual addresses is full");
    const auto ttl = static_cast<std::uint32_t>(settings_.virtual_ttl.count());
    reply out;
    out.answers.push_back(address_record(w.q.qname, *address, ttl));
    return finish(w, std::move(out), now);
}

answer resolver::finish(waiter& w, reply what, clock::time_point now, std::string detail) const
{
    answer out;
    out.to = w.to;
    out.bytes = build_reply(w.q, what, w.how);
    auto& facts = out.facts;
    facts.qname = w.q.text.size() != 0 ? std::string(w.q.text.view()) : w.q.question().empty() ? std::string() : w.q.qname.text();
    if (!w.q.question().empty()) facts.qtype = type_text(w.q.qtype);
    facts.how = w.how;
    facts.rcode = to_text(what.code);
    for (const auto& r : what.answers) {
        if (facts.answers.size() == max_recorded_answers) break;
        facts.answers.push_back(to_text(r));
    }
    facts.decision = std::move(w.verdict);
    facts.detail = std::move(detail);
    facts.source = w.source;
    facts.duration = now - w.started;
    return out;
}

answer resolver::refuse(waiter& w, reason why, rcode code, ede_code error, clock::time_point now, std::string detail) const
{
    // A refusal is a decision against the query; a failure leaves the policy's word as it was and says why nothing came.
    if (is_refusal(why)) w.verdict.allowed = false;
    if (is_refusal(why) && w.verdict.why != why) w.verdict.would_allow = false;
    w.verdict.why = why;
    reply what;
    what.code = code;
    what.error = extended_error{error, explain_refusal(why, w.q.text.view(), w.verdict.hint, detail)};
    return finish(w, std::move(what), now, std::move(detail));
}

// ---- time to live ----

resolver::clock::time_point resolver::expiry_of(const upstream_result& result) const
{
    constexpr std::chrono::seconds failure_ttl{1}; // RFC 9520, 3.2: failures are cached, at least a second
    const auto& got = result.got;
    if (result.failed || (got.code != rcode::noerror && got.code != rcode::nxdomain)) return result.stored + failure_ttl;
    if (got.code == rcode::nxdomain || got.answers.empty()) {
        const std::chrono::seconds said{got.negative_ttl.value_or(static_cast<std::uint32_t>(settings_.min_ttl.count()))};
        return result.stored + std::min(said, settings_.negative_ttl);
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
