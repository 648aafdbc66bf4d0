#include "core/reason.hpp"

#include <array>
#include <utility>

namespace cofferdam {
namespace {

struct reason_text {
    std::string_view token;
    std::string_view sentence;
};

// In the order of the enumeration.
constexpr std::array texts = std::to_array<reason_text>({
    {"allowed_by_endpoint", "an allow-list entry matches"},
    {"allowed_by_rule", "an allow rule matches"},
    {"allowed_by_passthrough", "the host is passed through unopened"},
    {"not_in_allow_list", "no allow-list entry names this destination"},
    {"port_not_allowed", "the host is on the allow-list, but not on this port or scheme"},
    {"method_not_allowed", "the URL is on the allow-list, but not with this method"},
    {"path_not_allowed", "the host is on the allow-list, but not this path"},
    {"denied_by_rule", "a deny rule matches"},
    {"phase_closed", "this phase allows no network"},
    {"private_address", "the name resolves to an address that is not public"},
    {"protocol_not_allowed", "this protocol is not carried without an allow-list entry"},
    {"own_address", "the address belongs to the gateway itself"},
    {"malformed_request", "the HTTP message is malformed"},
    {"ambiguous_request", "the HTTP message could be read in two ways"},
    {"host_mismatch", "the request names another host than the TLS connection"},
    {"malformed_name", "the name is not a valid host name"},
    {"malformed_client_hello", "the TLS ClientHello is malformed"},
    {"missing_server_name", "the TLS ClientHello names no server and the address tells none"},
    {"malformed_query", "the DNS message is malformed"},
    {"unsupported_query", "this kind of DNS query is not carried"},
    {"encrypted_dns", "encrypted DNS would bypass the resolver"},
    {"too_large", "a size limit was exceeded"},
    {"tunnel_refused", "a tunnel inside the connection would bypass judgement"},
    {"exfiltration_budget", "the information budget for this domain is spent"},
    {"multicast_dns", "a name asked of the local network (mDNS, LLMNR, NetBIOS): there is none here"},
    {"dns_response_from_client", "a DNS response was sent where queries belong"},
    {"dns_on_other_port", "DNS on a port other than 53 would bypass the resolver"},
    {"name_not_found", "the name does not exist"},
    {"resolve_failed", "the name could not be resolved"},
    {"connect_failed", "the server could not be reached"},
    {"upstream_verify_failed", "the server's certificate could not be verified"},
    {"upstream_tls_failed", "the TLS handshake with the server failed"},
    {"upstream_malformed", "the server's answer is malformed"},
    {"upstream_closed", "the server closed the connection early"},
    {"upstream_timed_out", "the server did not answer in time"},
    {"client_rejected_leaf", "the client does not trust the job's CA"},
    {"client_closed", "the client closed the connection early"},
    {"client_timed_out", "the client did not send in time"},
    {"completed", "completed"},
    {"overload", "a limit of the gateway was reached"},
    {"audit_failed", "the audit record could not be written"},
    {"shutting_down", "the gateway is shutting down"},
    {"internal_error", "an internal error"},
});
static_assert(texts.size() == static_cast<std::size_t>(reason::internal_error) + 1);

} // namespace

std::string_view to_string(reason why) noexcept
{
    return texts[static_cast<std::size_t>(why)].token;
}

std::string_view describe(reason why) noexcept
{
    return texts[static_cast<std::size_t>(why)].sentence;
}

bool is_dial_refusal(reason why) noexcept
{
    return why == reason::upstream_verify_failed || why == reason::private_address || why == reason::exfiltration_budget ||
           why == reason::denied_by_rule;
}

bool is_refusal(reason why) noexcept
{
    return why >= reason::not_in_allow_list && why < reason::name_not_found;
}

} // namespace cofferdam
