#include "nft/udp.hpp"

#include "nft/expression.hpp"
#include "nft/packet.hpp"
#include "nft/query_shape.hpp"

#include <algorithm>

namespace cofferdam::nft {
namespace {

constexpr std::size_t v4_header = 20, v6_header = 40;
constexpr std::size_t max_length = 65535;
constexpr std::uint8_t hop_limit = 64;

/// The Internet checksum (RFC 1071).
class checksum {
public:
    /// Each part but the last has an even number of octets.
    checksum& add(byte_view bytes) noexcept
    {
        for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum_ += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
        if (bytes.size() % 2 != 0) sum_ += static_cast<std::uint32_t>(bytes.back() << 8);
        return *this;
    }
    checksum& add(std::size_t word) noexcept
    {
        sum_ += word;
        return *this;
    }
    std::uint16_t value() const noexcept
    {
        auto folded = sum_;
        while (folded > 0xFFFF) folded = (folded & 0xFFFF) + (folded >> 16);
        return static_cast<std::uint16_t>(~folded);
    }

private:
    std::uint64_t sum_ = 0;
};

void put_u16(std::span<std::uint8_t> out, std::size_t at, std::size_t value) noexcept
{
    out[at] = static_cast<std::uint8_t>(value >> 8);
    out[at + 1] = static_cast<std::uint8_t>(value);
}

void put_address(std::span<std::uint8_t> out, std::size_t at, const ip_address& address) noexcept
{
    const auto bytes = address.bytes();
    std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
}

void write_v4_header(std::span<std::uint8_t> out, const ip_address& from, const ip_address& to) noexcept
{
    std::fill_n(out.begin(), v4_header, std::uint8_t{0});
    out[0] = 0x45;
    put_u16(out, 2, out.size());
    put_u16(out, 6, 0x4000); // don't fragment: the path is a loopback interface
    out[8] = hop_limit;
    out[9] = protocol::udp;
    put_address(out, 12, from);
    put_address(out, 16, to);
    put_u16(out, 10, checksum().add(out.first(v4_header)).value());
}

void write_v6_header(std::span<std::uint8_t> out, const ip_address& from, const ip_address& to) noexcept
{
    std::fill_n(out.begin(), v6_header, std::uint8_t{0});
    out[0] = 0x60;
    put_u16(out, 4, out.size() - v6_header);
    out[6] = protocol::udp;
    out[7] = hop_limit;
    put_address(out, 8, from);
    put_address(out, 24, to);
}

} // namespace

result<udp_datagram> parse_udp(byte_view packet) noexcept
{
    const auto ip = parse_packet(packet);
    if (!ip) return ip.error();
    if (ip->is_fragment() || ip->protocol != protocol::udp) return errc::unsupported;
    byte_reader header(ip->payload);
    const auto source = header.u16();
    const auto destination = header.u16();
    const auto length = header.u16();
    if (!header.u16()) return errc::need_more;
    const std::size_t network_header = static_cast<std::size_t>(ip->payload.data() - packet.data());
    if (*length < udp_header_size || network_header + *length != ip->length) return errc::malformed;
    udp_datagram out;
    out.source = {ip->source, *source};
    out.destination = {ip->destination, *destination};
    out.payload = ip->payload.subspan(udp_header_size);
    out.whole = ip->payload.size() == *length;
    return out;
}

result<std::size_t> write_udp(std::span<std::uint8_t> out, const ip_endpoint& from, const ip_endpoint& to,
                              byte_view payload) noexcept
{
    const bool v4 = from.address.is_v4();
    if (v4 != to.address.is_v4()) return errc::unsupported;
    const std::size_t network = v4 ? v4_header : v6_header;
    const std::size_t length = udp_header_size + payload.size();
    const std::size_t size = network + length;
    if (size > out.size() || (v4 ? size : length) > max_length) return errc::too_large;
    const auto packet = out.first(size);
    v4 ? write_v4_header(packet, from.address, to.address) : write_v6_header(packet, from.address, to.address);
    const auto datagram = packet.subspan(network);
    put_u16(datagram, 0, from.port);
    put_u16(datagram, 2, to.port);
    put_u16(datagram, 4, length);
    put_u16(datagram, 6, 0);
    std::copy(payload.begin(), payload.end(), datagram.begin() + udp_header_size);
    // Over the pseudo header (RFC 768; RFC 8200, 8.1) and the datagram; 0 is sent as 0xFFFF, since it would mean "none".
    const auto sum =
        checksum().add(from.address.bytes()).add(to.address.bytes()).add(protocol::udp).add(length).add(datagram).value();
    put_u16(datagram, 6, sum == 0 ? 0xFFFF : sum);
    return size;
}

} // namespace cofferdam::nft
