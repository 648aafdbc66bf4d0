#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string_view>

namespace cofferdam::http {

/// host[:port] of a Host field, an absolute-form or authority-form target.
struct authority {
    std::string_view host;  ///< as sent, an IPv6 literal without its brackets; not yet canonical
    std::uint16_t port = 0; ///< 0: none was given, the scheme's default is meant
    bool ipv6_literal = false;
};

/// Strict: letters, digits, "-", "." and "_", or a bracketed IPv6 address without zone; no userinfo, no percent-encoding;
/// the port, if there is a colon, 1..65535 without leading zeros. Fails with errc::malformed. RFC 3986 section 3.2 allows
/// more; nothing a job needs, and names that two readers could split differently.
result<authority> parse_authority(std::string_view text) noexcept;

} // namespace cofferdam::http
