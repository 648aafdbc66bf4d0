#pragma once

#include "core/ip.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cofferdam::policy {

inline constexpr std::size_t max_name_length = 253; ///< octets of text without the trailing dot (RFC 1035, 2.3.4)
inline constexpr std::size_t max_label_length = 63; ///< RFC 1035, 2.3.4
inline constexpr std::size_t max_name_input = 1024; ///< octets of UTF-8 that are looked at; longer is errc::too_large

/// The one spelling of a host name that is judged, looked up, dialled and recorded: lower case A-labels, no trailing dot,
/// labels of [a-z0-9_-] that neither begin nor end with '-'. Underscores are carried because DNS names use them.
/// UTF-8 goes through UTS #46 (non-transitional, libidn2). One trailing dot is removed. Idempotent.
/// errc::malformed: NUL, space, '%', empty labels, other octets, a name that UTS #46 refuses. errc::ambiguous: a last label
/// that some resolver would read as a number (WHATWG URL, "ends in a number": 127.1, 0x7f.1, 2130706433), so that a name
/// never is an address. errc::too_large: more than max_name_length or max_label_length octets.
result<std::string> canonical_name(std::string_view text);

/// The host of an authority: a canonical name or an address literal.
struct host {
    std::string name;                  ///< canonical name; empty for a literal
    std::optional<ip_address> address; ///< set for a literal

    /// The name, or the address in canonical text without brackets: what `http_request::host` holds.
    std::string to_string() const { return address ? address->to_string() : name; }
    friend bool operator==(const host&, const host&) noexcept = default;
};

/// RFC 3986, 3.2.2, read strictly: a name, four decimal octets, or IPv6 in brackets without zone id or IPvFuture.
result<host> parse_host(std::string_view text);

struct authority {
    host where;
    std::optional<std::uint16_t> port; ///< unset if the text has none
};

/// "host" or "host:port" (RFC 9110, 7.2). Refuses userinfo, an empty port, port 0, leading zeros and more than 65535.
result<authority> parse_authority(std::string_view text);

/// A decimal port, 1 to 65535, without sign or leading zeros.
result<std::uint16_t> parse_port(std::string_view digits) noexcept;

/// "host:port" with brackets around IPv6; `host` is a canonical name or the text of an address.
std::string join_host_port(std::string_view host, std::uint16_t port);

/// `host` with brackets around it if it is the text of an IPv6 address.
std::string bracketed(std::string_view host);

} // namespace cofferdam::policy
