#pragma once

#include "core/ip.hpp"

#include <cstdint>
#include <span>

namespace cofferdam::nft {

/// A UDP datagram (RFC 768) inside one IP packet.
struct udp_datagram {
    ip_endpoint source, destination;
    byte_view payload;  ///< a view into the packet; where that was cut, what is there
    bool whole = false; ///< false: the packet given was cut
};

/// Reads a packet that holds exactly one datagram. errc::unsupported: another protocol, or a fragment; errc::need_more: cut
/// inside the headers; errc::malformed: the lengths of IP and UDP contradict each other. Checksums are not looked at: packets of
/// the local stack are known to be intact. Never throws, keeps nothing.
result<udp_datagram> parse_udp(byte_view packet) noexcept;

inline constexpr std::size_t max_udp_headers = 40 + 8; ///< IPv6 and UDP

/// Writes a packet that carries `payload` from one endpoint to the other, with all checksums, into `out`. Its size;
/// errc::unsupported if the ends are of two families; errc::too_large if it does not fit `out` or a packet.
result<std::size_t> write_udp(std::span<std::uint8_t> out, const ip_endpoint& from, const ip_endpoint& to,
                              byte_view payload) noexcept;

} // namespace cofferdam::nft
