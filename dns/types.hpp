#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cofferdam::dns {

/// Resource record types (IANA "DNS Parameters"). Plain numbers, because any number may come from the wire.
namespace rr {
inline constexpr std::uint16_t a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, mx = 15, txt = 16, sig = 24, aaaa = 28, srv = 33,
                               opt = 41, svcb = 64, https = 65, tsig = 250, ixfr = 251, axfr = 252, any = 255, caa = 257;
} // namespace rr

inline constexpr std::uint16_t class_in = 1;

/// Response codes, the extended ones of EDNS included (RFC 6895, 2.3).
enum class rcode : std::uint16_t { noerror = 0, formerr = 1, servfail = 2, nxdomain = 3, notimp = 4, refused = 5, badvers = 16 };

/// INFO-CODEs of the Extended DNS Error option (RFC 8914, 4).
enum class ede_code : std::uint16_t {
    other = 0,
    not_ready = 14,
    blocked = 15,
    prohibited = 18,
    not_supported = 21,
    no_reachable_authority = 22,
    network_error = 23
};

enum class transport : std::uint8_t { udp, tcp };

/// "NOERROR", "BADVERS", ...; "RCODE11" for a code without a name here.
std::string to_text(rcode code);
std::string_view to_text(transport how) noexcept;
/// "A", "HTTPS", ...; "TYPE123" (RFC 3597, 5) for a type without a name here.
std::string type_text(std::uint16_t type);
/// The number of "A", "HTTPS", ..., "TYPE123"; nothing for other text.
std::optional<std::uint16_t> parse_type(std::string_view text) noexcept;

} // namespace cofferdam::dns
