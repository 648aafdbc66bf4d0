#include "nft/packet.hpp"

#include <algorithm>

namespace cofferdam::nft {
namespace {

constexpr std::size_t v4_header = 20, v6_header = 40;

std::uint16_t u16(byte_view bytes, std::size_t at) noexcept
{
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

ip_address v4_at(byte_view bytes, std::size_t at) noexcept
{
    ip_address::v4_bytes out;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), out.size(), out.begin());
    return ip_address::v4(out);
}

ip_address v6_at(byte_view bytes, std::size_t at) noexcept
{
    ip_address::v6_bytes out;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), out.size(), out.begin());
    return ip_address::v6(out);
}

result<ip_packet> parse_v4(byte_view bytes) noexcept
{
    if (bytes.size() < v4_header) return errc::need_more;
    const std::size_t header = (bytes[0] & 0x0FU) * 4U;
    ip_packet out;
    out.length = u16(bytes, 2);
    if (header < v4_header || out.length < header) return errc::malformed;
    if (bytes.size() < header) return errc::need_more;
    const auto fragment = u16(bytes, 6);
    out.fragment_offset = static_cast<std::uint16_t>((fragment & 0x1FFFU) * 8U);
    out.more_fragments = (fragment & 0x2000U) != 0;
    out.protocol = bytes[9];
    out.source = v4_at(bytes, 12);
    out.destination = v4_at(bytes, 16);
    out.payload = bytes.first(std::min<std::size_t>(bytes.size(), out.length)).subspan(header);
    return out;
}

enum class extension : std::uint8_t { none, options, fragment, authentication };

extension extension_of(std::uint8_t number) noexcept
{
    switch (number) {
    case 0:
    case 43:
    case 60:
    case 135:
    case 139:
    case 140: return extension::options;
    case 44: return extension::fragment;
    case 51: return extension::authentication;
    default: return extension::none;
    }
}

/// Walks the chain that starts at `rest`; leaves the upper-layer protocol and its bytes in `out`.
error_code walk_extensions(ip_packet& out, byte_view rest) noexcept
{
    for (unsigned count = 0;; ++count) {
        const auto kind = extension_of(out.protocol);
        out.payload = rest;
        if (kind == extension::none || out.fragment_offset != 0) return {};
        if (count == extension_header_limit) return errc::too_large;
        if (rest.size() < 8) return errc::need_more;
        std::size_t size = 8;
        if (kind == extension::options) size = (rest[1] + 1U) * 8U;
        if (kind == extension::authentication) size = (rest[1] + 2U) * 4U;
        if (size < 8) return errc::malformed;
        if (rest.size() < size) return errc::need_more;
        if (kind == extension::fragment) {
            const auto field = u16(rest, 2);
            out.fragment_offset = static_cast<std::uint16_t>(field & 0xFFF8U);
            out.more_fragments = (field & 1U) != 0;
        }
        out.protocol = rest[0];
        rest = rest.subspan(size);
    }
}

result<ip_packet> parse_v6(byte_view bytes) noexcept
{
    if (bytes.size() < v6_header) return errc::need_more;
    ip_packet out;
    const auto payload = u16(bytes, 4);
    out.protocol = bytes[6];
    out.source = v6_at(bytes, 8);
    out.destination = v6_at(bytes, 24);
    // Payload length 0 stands for a jumbogram (RFC 2675) or a segment that the stack has yet to cut: all that is there.
    out.length = static_cast<std::uint32_t>(payload == 0 ? bytes.size() : v6_header + payload);
    const auto inside = bytes.first(std::min<std::size_t>(bytes.size(), out.length)).subspan(v6_header);
    if (const auto ec = walk_extensions(out, inside)) {
        // A chain that runs over the packet's own end will not be completed by more bytes.
        const bool cut = bytes.size() < out.length;
        return ec == errc::need_more && !cut && payload != 0 ? make_error_code(errc::malformed) : ec;
    }
    return out;
}

} // namespace

result<ip_packet> parse_packet(byte_view bytes) noexcept
{
    if (bytes.empty()) return errc::need_more;
    switch (bytes[0] >> 4) {
    case 4: return parse_v4(bytes);
    case 6: return parse_v6(bytes);
    default: return errc::malformed;
    }
}

} // namespace cofferdam::nft
