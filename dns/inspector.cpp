#include "dns/inspector.hpp"

#include "dns/special_names.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

constexpr std::uint32_t local_ttl = 60; // seconds; of answers that we make ourselves

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

bool is_response(byte_view packet) noexcept
{
    constexpr std::uint8_t response_bit = 0x80; // QR, RFC 1035, 4.1.1
    return packet.size() >= header_size && (packet[2] & response_bit) != 0;
}

/// The longest end of an odd name whose labels are those of host names: whose domain it would have been sent to.
host_text readable_end(const name& odd) noexcept
{
    host_text out;
    const auto wire = odd.wire();
    for (std::size_t at = 0; wire[at] != 0; at += wire[at] + 1U) {
        const auto label = as_text(wire.subspan(at + 1, wire[at]));
        const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
        if (!std::all_of(label.begin(), label.end(), is_plain)) {
            out.clear();
            continue;
        }
        if (out.size() != 0) out.append('.');
        for (const char c : label) out.append(c);
    }
    return out;
}

bool is_below(std::string_view name, std::string_view suffix) noexcept
{
    return name.size() > suffix.size() && name.ends_with(suffix) && name[name.size() - suffix.size() - 1] == '.';
}

} // namespace

inspector::inspector(const settings& how, const bindings& names, budget& spent, callbacks calls)
    : settings_(how), names_(names), spent_(spent), calls_(std::move(calls))
{
}

inspector::outcome inspector::inspect(byte_view packet, transport how, const ip_endpoint& source, ticket to,
                                      clock::time_point now) const
{
    passed w;
    w.to = to;
    w.how = how;
    w.source = source;
    w.started = now;
    auto parsed = parse_query(packet);
    if (!parsed) {
        auto refused = refuse_bad(parsed.error(), std::move(w), now);
        if (auto* dropped = std::get_if<drop>(&refused); dropped != nullptr && is_response(packet))
            dropped->facts.decision.why = reason::dns_response_from_client;
        return refused;
    }
    w.q = *parsed;
    if (auto unsupported = answer_unsupported(w, now)) return std::move(*unsupported);
    if (auto local = answer_locally(w, now)) return std::move(*local);
    if (auto refused = refuse_by_policy(w, now)) return std::move(*refused);
    if (auto refused = refuse_by_budget(w, now)) return std::move(*refused);
    return w;
}

policy_answer inspector::judge(std::string_view name, std::uint16_t qtype) const
{
    if (!calls_.policy) return {};
    return calls_.policy(is_gateway_host(name) ? gateway_host : name, qtype);
}

inspector::outcome inspector::refuse_bad(const bad_query& bad, judged_query w, clock::time_point now) const
{
    const auto fault = describe_fault(bad.fault);
    static_cast<query_head&>(w.q) = bad.head;
    if (bad.fault == query_fault::odd_name) block_domain(readable_end(bad.head.qname), w);
    if (bad.fault != query_fault::not_a_query)
        return refuse(w, fault.why, fault.code, fault.error, now, std::string(fault.detail));
    drop out;
    out.facts.how = w.how;
    out.facts.source = w.source;
    out.facts.decision.why = fault.why;
    out.facts.detail = fault.detail;
    return out;
}

// Only what the policy would let out has an account that can be blocked.
void inspector::block_domain(const host_text& readable, judged_query& w) const
{
    if (readable.size() == 0) return;
    const auto verdict = judge(readable.view(), rr::a);
    if (verdict.allowed && verdict.matched.how != name_rule::kind::exact) w.paid = spent_.block(readable.view(), verdict.matched);
}

std::optional<answer> inspector::answer_unsupported(judged_query& w, clock::time_point now) const
{
    if (w.q.qclass != class_in)
        return refuse(w, reason::unsupported_query, rcode::refused, ede_code::prohibited, now, "class other than IN");
    if (w.q.qname.is_root())
        return refuse(w, reason::unsupported_query, rcode::refused, ede_code::prohibited, now, "the root itself");
    if (is_carried(w.q.qtype)) return std::nullopt;
    return refuse(w, reason::unsupported_query, rcode::notimp, ede_code::not_supported, now, "type " + type_text(w.q.qtype));
}

// Names that are answered here, whatever the policy: they tell nothing and leave no trace outside.
std::optional<answer> inspector::answer_locally(judged_query& w, clock::time_point now) const
{
    const auto text = w.q.text.view();
    const auto local = [&](reply what, reason why) {
        w.verdict = {true, true, why, {}, {}};
        return finish(w, std::move(what), now);
    };
    if (is_localhost(text)) {
        reply out;
        const auto loopback = w.q.qtype == rr::a ? ip_address::v4({127, 0, 0, 1}) : ip_address::parse("::1").value();
        if (w.q.qtype == rr::a || w.q.qtype == rr::aaaa) out.answers.push_back({w.q.qname, w.q.qtype, local_ttl, loopback});
        return local(std::move(out), reason::completed);
    }
    // A stub resolver tries its search list first: nobody outside needs to hear what it tries.
    const auto searched = [&](const std::string& suffix) { return is_below(text, suffix); };
    if (std::any_of(settings_.search_suffixes.begin(), settings_.search_suffixes.end(), searched) &&
        judge(text, w.q.qtype).matched.how == name_rule::kind::none)
        return local({rcode::nxdomain, {}, {}}, reason::name_not_found);
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

std::optional<answer> inspector::refuse_by_policy(judged_query& w, clock::time_point now) const
{
    // apt and others ask for SRV records of a web server first: judged as that server, and answered here that there are none.
    const auto served = w.q.qtype == rr::srv ? host_of_web_service(w.q.text.view()) : std::string_view();
    w.verdict = judge(served.empty() ? w.q.text.view() : served, w.q.qtype);
    if (w.verdict.allowed && !served.empty()) return finish(w, {rcode::nxdomain, {}, {}}, now);
    if (w.verdict.allowed) return std::nullopt;
    const bool by_policy = is_refusal(w.verdict.why); // or the gateway itself cannot serve now: audit_failed, shutting_down
    return refuse(w, w.verdict.why, by_policy ? rcode::refused : rcode::servfail,
                  by_policy ? ede_code::blocked : ede_code::not_ready, now);
}

std::optional<answer> inspector::refuse_by_budget(judged_query& w, clock::time_point now) const
{
    if (is_gateway_host(w.q.text.view())) return std::nullopt; // answered by the resolver itself
    w.paid = spent_.spend(w.q.text.view(), w.q.qtype, w.verdict.matched);
    if (w.paid->allowed) return std::nullopt;
    w.verdict.hint = "dns:" + std::string(w.q.text.view());
    w.verdict.rule = setting_of(*w.paid);
    return refuse(w, w.paid->why, rcode::refused, ede_code::blocked, now, explain(*w.paid));
}

} // namespace cofferdam::dns
