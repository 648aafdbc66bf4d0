#pragma once

#include "core/bytes.hpp"
#include "http/field.hpp"
#include "policy/policy.hpp"

#include <optional>
#include <string>
#include <vector>

/// Names for other people, asked past the gateway's resolver: over TLS, QUIC or HTTPS, or of the local network. What is on no
/// list is refused anyway; here it is called what it is, so that a developer knows. And on connections and to hosts that are on
/// the list, it is refused unless an entry names just it (docs/threat-model.md, "Encrypted DNS"). Pure.
namespace cofferdam::gateway {

inline constexpr std::uint16_t dns_over_tls_port = 853; ///< RFC 7858; over UDP: RFC 9250 and RFC 8094

/// `verdict` on the attempt; if it refuses for want of an entry, and the attempt is encrypted or local DNS by its port or
/// because it goes to a known resolver, with that reason, a detail that names the kind, and a hint that helps. A verdict by a
/// rule keeps its reason.
policy::decision named_refusal(policy::decision verdict, const policy::connection_attempt& attempt);
/// The same where a TCP connection, refused as a byte stream, has sent something already: `first` may be DNS by its length
/// prefix and shape (RFC 1035, 4.2.2).
policy::decision named_refusal(policy::decision verdict, const policy::connection_attempt& attempt, byte_view first);
/// The same for a query for the name of a known resolver.
policy::decision named_refusal(policy::decision verdict, const policy::name_query& query);

/// True if a TLS connection is DNS over TLS by its port, or because the client offers it (ALPN "dot"): it can't be opened and
/// judged as HTTP.
bool is_dns_over_tls(std::uint16_t port, const std::vector<std::string>& alpn) noexcept;

/// `verdict` on a TLS connection, or a refusal: DNS over TLS where `tls.passthrough` does not list the host with port 853, and
/// a known resolver that is passed through (`unopened`) by a wildcard only.
policy::decision judge_tls(const policy::policy& rules, const policy::connection_attempt& attempt, bool over_tls, bool unopened,
                           policy::decision verdict);

/// `verdict` on a request, or a refusal: DNS over HTTPS, in any of the forms of find_dns_over_https, where no entry lists just
/// its URL (policy::lists_url). `fields` are those that would be sent on.
policy::decision judge_doh(const policy::policy& rules, const policy::http_request& request,
                           const std::vector<http::field>& fields, policy::decision verdict);

/// The refusal of an answer that is DNS by its Content-Type though the request was not; nothing if it may be passed on.
std::optional<policy::decision> judge_doh_answer(const policy::policy& rules, const policy::http_request& request,
                                                 const std::vector<http::field>& answer);

} // namespace cofferdam::gateway
