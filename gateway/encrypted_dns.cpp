#include "gateway/encrypted_dns.hpp"

#include "core/dns_shape.hpp"
#include "core/text.hpp"
#include "gateway/known_resolvers.hpp"
#include "http/dns_over_https.hpp"
#include "policy/hint.hpp"
#include "policy/name.hpp"

#include <algorithm>
#include <array>

namespace cofferdam::gateway {
namespace {

using policy::application;
using policy::transport;

constexpr std::uint16_t https_port = 443;
constexpr std::string_view usual_path = "/dns-query"; // RFC 8484's, and that of the known resolvers

struct service {
    transport proto;
    std::uint16_t port;
    reason why;
    std::string_view name;
};

constexpr auto services = std::to_array<service>({
    {transport::tcp, dns_over_tls_port, reason::encrypted_dns, "DNS over TLS"},
    {transport::tcp, 5355, reason::multicast_dns, "LLMNR"},            // RFC 4795
    {transport::udp, 137, reason::multicast_dns, "NetBIOS names"},     // RFC 1002
    {transport::udp, 138, reason::multicast_dns, "NetBIOS datagrams"}, // RFC 1002
    {transport::udp, 784, reason::encrypted_dns, "DNS over QUIC"},     // of drafts before RFC 9250
    {transport::udp, dns_over_tls_port, reason::encrypted_dns, "DNS over QUIC or DTLS"},
    {transport::udp, 5353, reason::multicast_dns, "multicast DNS"}, // RFC 6762
    {transport::udp, 5355, reason::multicast_dns, "LLMNR"},         // RFC 4795
    {transport::udp, 8853, reason::encrypted_dns, "DNS over QUIC"}, // of drafts before RFC 9250
});

const service* find_service(transport proto, std::uint16_t port) noexcept
{
    const auto found =
        std::find_if(services.begin(), services.end(), [=](const service& s) { return s.proto == proto && s.port == port; });
    return found == services.end() ? nullptr : &*found;
}

std::string host_of(const policy::connection_attempt& attempt)
{
    return attempt.host.empty() ? attempt.destination.address.unmapped().to_string() : std::string(attempt.host);
}

/// The policy's own refusals that an entry could have prevented. What a rule refuses stays the rule's.
bool wants_entry(const policy::decision& verdict) noexcept
{
    switch (verdict.why) {
    case reason::not_in_allow_list:
    case reason::port_not_allowed:
    case reason::method_not_allowed:
    case reason::path_not_allowed:
    case reason::protocol_not_allowed: return true;
    default: return false;
    }
}

void name(policy::decision& verdict, reason why, std::string detail, std::string hint)
{
    verdict.detail = std::move(detail);
    if (!wants_entry(verdict)) return;
    verdict.why = why;
    verdict.hint = std::move(hint);
}

/// The entry that allows DNS over HTTPS to this host, at the usual path.
std::string url_hint(std::string_view host, std::uint16_t port)
{
    policy::http_request request;
    request.scheme = "https";
    request.host = host;
    request.port = port;
    request.path = usual_path;
    return policy::exact_hint_for(request);
}

/// DNS over TLS can only be passed through, which is judged by name.
std::string passthrough_hint(std::string_view host)
{
    if (host.empty() || ip_address::parse(host)) return {};
    return "tls.passthrough: [\"" + policy::join_host_port(std::string(host), dns_over_tls_port) + "\"]";
}

bool goes_to_resolver(const policy::connection_attempt& attempt)
{
    return attempt.host.empty() ? is_known_resolver(attempt.destination.address) : is_known_resolver(attempt.host);
}

std::string port_text(transport proto, std::uint16_t port)
{
    return (proto == transport::udp ? " (UDP port " : " (TCP port ") + std::to_string(port) + ')';
}

} // namespace

policy::decision named_refusal(policy::decision verdict, const policy::connection_attempt& attempt)
{
    if (verdict.would == policy::action::allow) return verdict;
    const auto port = attempt.destination.port;
    if (const auto* found = find_service(attempt.proto, port)) {
        const bool local = found->why == reason::multicast_dns;
        const bool tls = attempt.proto == transport::tcp && !local && attempt.app != application::opaque;
        auto hint = local ? std::string() : tls ? passthrough_hint(attempt.host) : verdict.hint;
        name(verdict, found->why, std::string(found->name) + port_text(attempt.proto, port), std::move(hint));
        return verdict;
    }
    const bool quic = attempt.proto == transport::udp && port == https_port;
    if ((!quic && attempt.app != application::tls) || !goes_to_resolver(attempt)) return verdict;
    const auto host = host_of(attempt);
    name(verdict, reason::encrypted_dns, (quic ? "QUIC to " : "TLS to ") + host + ", a public resolver", url_hint(host, port));
    return verdict;
}

policy::decision named_refusal(policy::decision verdict, const policy::connection_attempt& attempt, byte_view first)
{
    verdict = named_refusal(std::move(verdict), attempt);
    if (verdict.would == policy::action::allow || !verdict.detail.empty()) return verdict;
    byte_reader from(first);
    const auto size = from.u16();
    if (!size || *size < from.remaining() || !looks_like_dns(first.subspan(from.position()))) return verdict;
    name(verdict, reason::dns_on_other_port, "a DNS query" + port_text(attempt.proto, attempt.destination.port), verdict.hint);
    return verdict;
}

policy::decision named_refusal(policy::decision verdict, const policy::name_query& query)
{
    if (verdict.would == policy::action::allow || !is_known_resolver(query.name)) return verdict;
    name(verdict, reason::encrypted_dns, "the name of a public resolver", url_hint(query.name, https_port));
    return verdict;
}

bool is_dns_over_tls(std::uint16_t port, const std::vector<std::string>& alpn) noexcept
{
    return port == dns_over_tls_port || std::find(alpn.begin(), alpn.end(), "dot") != alpn.end();
}

policy::decision judge_tls(const policy::policy& rules, const policy::connection_attempt& attempt, bool over_tls, bool unopened,
                           policy::decision verdict)
{
    const auto port = attempt.destination.port;
    const auto host = host_of(attempt);
    if (!over_tls) {
        if (verdict.would == policy::action::deny) return named_refusal(std::move(verdict), attempt);
        if (!unopened || !goes_to_resolver(attempt) || rules.passthrough_by_name(host, port)) return verdict;
        auto refusal = rules.refused(policy::stage::connection, reason::encrypted_dns, url_hint(host, port));
        refusal.detail = "TLS to " + host + ", a public resolver that tls.passthrough lists by a wildcard only";
        return refusal;
    }
    const bool usual_port = port == dns_over_tls_port;
    if (verdict.would == policy::action::allow) {
        if (unopened && usual_port) return verdict;
        verdict = rules.refused(policy::stage::connection, reason::not_in_allow_list);
    }
    name(verdict, reason::encrypted_dns, "DNS over TLS" + (usual_port ? port_text(transport::tcp, port) : " (ALPN \"dot\")"),
         passthrough_hint(attempt.host));
    return verdict;
}

policy::decision judge_doh(const policy::policy& rules, const policy::http_request& request,
                           const std::vector<http::field>& fields, policy::decision verdict)
{
    const bool refused = verdict.would == policy::action::deny;
    const bool of_resolver = is_known_resolver(request.host);
    const auto found = http::find_dns_over_https({request.method, request.path, request.query, fields, of_resolver});
    if (found.empty()) {
        if (refused && of_resolver)
            name(verdict, reason::encrypted_dns, std::string(request.host) + " is a public resolver", verdict.hint);
        return verdict;
    }
    if (!refused) {
        if (rules.lists_url(request)) return verdict;
        const bool alert = verdict.alert;
        verdict = rules.refused(policy::stage::request, reason::not_in_allow_list);
        verdict.alert = alert;
    }
    name(verdict, reason::encrypted_dns, "DNS over HTTPS, " + found, policy::exact_hint_for(request));
    return verdict;
}

std::optional<policy::decision> judge_doh_answer(const policy::policy& rules, const policy::http_request& request,
                                                 const std::vector<http::field>& answer)
{
    std::string_view type;
    for (const auto& f : answer) {
        if (type.empty() && equals_ignoring_case(f.name, "content-type")) type = http::find_dns_media_type(f.value);
    }
    if (type.empty() || rules.lists_url(request)) return std::nullopt;
    auto refusal = rules.refused(policy::stage::content, reason::encrypted_dns, policy::exact_hint_for(request));
    refusal.detail = "DNS over HTTPS, the server's answer is " + std::string(type);
    return refusal;
}

} // namespace cofferdam::gateway
