#pragma once

#include <cstdint>
#include <string_view>

namespace cofferdam {

/// Why a flow, query or request ended as it did: the one enumeration that feeds log, metric, record and error page.
/// The tokens (`to_string`) are part of the outside contract; never rename one.
enum class reason : std::uint8_t {
    // allowed
    allowed_by_endpoint,
    allowed_by_rule,
    allowed_by_passthrough,
    // refused by policy
    not_in_allow_list, ///< no endpoint names this host
    port_not_allowed,  ///< the host is listed, this port or scheme is not
    method_not_allowed,
    path_not_allowed,
    denied_by_rule,
    phase_closed,         ///< the phase's allow-list is empty
    private_address,      ///< a public name resolved to a private, loopback, link-local or metadata address
    protocol_not_allowed, ///< UDP, ICMP, SCTP, ... without an entry
    own_address,          ///< the gateway's own addresses and ports
    // refused because of what was sent
    malformed_request,
    ambiguous_request,
    host_mismatch, ///< Host or :authority is not the name that TLS was opened for
    malformed_name,
    malformed_client_hello,
    missing_server_name,
    malformed_query,
    unsupported_query, ///< DNS opcode, class or type that is not carried
    encrypted_dns,
    too_large,
    tunnel_refused,           ///< CONNECT, Upgrade: h2c, unsolicited 101
    exfiltration_budget,      ///< DNS information budget spent
    multicast_dns,            ///< names asked of the local network: mDNS, LLMNR, NetBIOS
    dns_response_from_client, ///< a DNS response sent to a name server's port
    dns_on_other_port,        ///< a DNS query to a port other than 53, without an entry
    // could not be served
    name_not_found,
    resolve_failed,
    connect_failed,
    upstream_verify_failed,
    upstream_tls_failed,
    upstream_malformed,
    upstream_closed,
    upstream_timed_out,
    client_rejected_leaf,
    client_closed,
    client_timed_out,
    // the gateway itself
    completed,    ///< ended as it should (connection records)
    overload,     ///< a bound was reached
    audit_failed, ///< the record could not be kept, so the flow was refused
    shutting_down,
    internal_error,
};

std::string_view to_string(reason why) noexcept;
/// A sentence for a person, without trailing stop: "the host is on no allow-list entry".
std::string_view describe(reason why) noexcept;
/// True if the reason is a refusal by policy or by shape (an error page says 403/400/421), false for "could not be served".
bool is_refusal(reason why) noexcept;
/// True if the gateway itself refused to reach a server that the policy allows: its address, its certificate, what its name says.
bool is_dial_refusal(reason why) noexcept;

} // namespace cofferdam
