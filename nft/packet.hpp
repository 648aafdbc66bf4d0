#pragma once

#include "core/ip.hpp"

#include <cstdint>

namespace cofferdam::nft {

/// The network header of one packet.
struct ip_packet {
    ip_address source, destination;
    std::uint8_t protocol = 0;         ///< of `payload`: the first header that is not an IPv6 extension header
    std::uint32_t length = 0;          ///< of the whole packet as its header says; more than was given if it was cut
    std::uint16_t fragment_offset = 0; ///< in bytes; not 0: `payload` begins in the middle, there are no ports
    bool more_fragments = false;
    byte_view payload; ///< behind the network headers; cut where the bytes given end. A view into them

    bool is_fragment() const noexcept { return fragment_offset != 0 || more_fragments; }
};

/// IPv6 extension headers that are walked before a packet is called malformed (RFC 8504, 5.3 asks for a limit).
inline constexpr unsigned extension_header_limit = 16;

/// Reads an IPv4 (RFC 791) or IPv6 (RFC 8200, 4) header with its options or extension headers (hop-by-hop, routing,
/// destination, fragment, AH, mobility, HIP, shim6). Checksums are not looked at: packets of the local stack have none yet.
/// errc::need_more: cut inside these headers; errc::malformed: a version or a length that cannot be;
/// errc::too_large: more extension headers than extension_header_limit. Never throws, keeps nothing.
result<ip_packet> parse_packet(byte_view bytes) noexcept;

} // namespace cofferdam::nft
