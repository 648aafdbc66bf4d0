#include "nft/packet.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace cofferdam::nft {
namespace {

using bytes = std::vector<std::uint8_t>;

bytes operator+(bytes a, const bytes& b)
{
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

bytes v4(std::uint8_t protocol, std::uint16_t total, std::uint8_t words = 5, std::uint16_t fragment = 0)
{
    bytes out{static_cast<std::uint8_t>(0x40 | words),
              0,
              static_cast<std::uint8_t>(total >> 8),
              static_cast<std::uint8_t>(total),
              0,
              0,
              static_cast<std::uint8_t>(fragment >> 8),
              static_cast<std::uint8_t>(fragment),
              64,
              protocol,
              0,
              0,
              100,
              64,
              0,
              2,
              8,
              8,
              4,
              4};
    out.resize(words * 4U);
    return out;
}

bytes v6(std::uint8_t next, std::uint16_t payload)
{
    bytes out{0x60, 0, 0, 0, static_cast<std::uint8_t>(payload >> 8), static_cast<std::uint8_t>(payload), next, 64};
    out.resize(40);
    out[8] = 0xfd;
    out[23] = 2;
    out[24] = 0x20;
    out[39] = 5;
    return out;
}

TEST(packet, ipv4)
{
    const auto raw = v4(17, 28) + bytes{0x12, 0x34, 0, 53, 0, 8, 0, 0};
    const auto p = parse_packet(raw).value();
    EXPECT_EQ("100.64.0.2", p.source.to_string());
    EXPECT_EQ("8.8.4.4", p.destination.to_string());
    EXPECT_EQ(17, p.protocol);
    EXPECT_EQ(28U, p.length);
    EXPECT_EQ(8U, p.payload.size());
    EXPECT_FALSE(p.is_fragment());
}

TEST(packet, bytes_behind_the_packet_are_not_its_payload)
{
    EXPECT_EQ(8U, parse_packet(v4(17, 28) + bytes(20)).value().payload.size());
    EXPECT_EQ(8U, parse_packet(v6(17, 8) + bytes(20)).value().payload.size());
}

TEST(packet, ipv4_options_are_skipped)
{
    const auto raw = v4(6, 44, 6) + bytes(20, 7);
    const auto p = parse_packet(raw).value();
    EXPECT_EQ(20U, p.payload.size());
    EXPECT_EQ(7, p.payload[0]);
}

TEST(packet, fragments)
{
    auto p = parse_packet(v4(17, 28, 5, 0x2000) + bytes(8)).value();
    EXPECT_TRUE(p.more_fragments);
    EXPECT_EQ(0, p.fragment_offset);
    p = parse_packet(v4(17, 28, 5, 185) + bytes(8)).value();
    EXPECT_EQ(185 * 8, p.fragment_offset);
    EXPECT_TRUE(p.is_fragment());
    const bytes first{17, 0, 0, 1, 0, 0, 0, 9}, later{17, 0, 0x05, 0xA8, 0, 0, 0, 9};
    p = parse_packet(v6(44, 16) + first + bytes(8)).value();
    EXPECT_TRUE(p.more_fragments);
    EXPECT_EQ(17, p.protocol);
    p = parse_packet(v6(44, 16) + later + bytes(8)).value();
    EXPECT_EQ(0x05A8, p.fragment_offset);
    EXPECT_FALSE(p.more_fragments);
}

TEST(packet, ipv6_extension_headers_are_walked)
{
    const bytes hop{43, 0, 0, 0, 0, 0, 0, 0}, routing{60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
        destination{51, 0, 1, 4, 0, 0, 0, 0}, authentication{6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    const auto p = parse_packet(v6(0, 64) + hop + routing + destination + authentication + bytes(20, 7)).value();
    EXPECT_EQ(6, p.protocol);
    EXPECT_EQ(20U, p.payload.size());
    EXPECT_EQ(104U, p.length);
    EXPECT_EQ(59, parse_packet(v6(59, 8) + bytes(8)).value().protocol) << "no next header: the chain's end";
}

TEST(packet, endless_extension_headers_are_refused)
{
    auto raw = v6(60, 8 * 20);
    for (int i = 0; i < 20; ++i) raw = raw + bytes{60, 0, 1, 4, 0, 0, 0, 0};
    EXPECT_EQ(errc::too_large, parse_packet(raw).error());
}

TEST(packet, every_cut_is_incomplete_until_the_headers_are_there)
{
    const auto raw = v6(0, 16) + bytes{17, 0, 1, 4, 0, 0, 0, 0} + bytes(8);
    for (std::size_t size = 0; size < 48; ++size)
        EXPECT_EQ(errc::need_more, parse_packet(byte_view(raw).first(size)).error()) << size;
    EXPECT_TRUE(parse_packet(byte_view(raw).first(48)).has_value());
    const auto old = v4(17, 28, 6);
    for (std::size_t size = 0; size < 24; ++size)
        EXPECT_EQ(errc::need_more, parse_packet(byte_view(old).first(size)).error()) << size;
}

TEST(packet, impossible_lengths)
{
    EXPECT_EQ(errc::malformed, parse_packet(bytes{0x50}).error());
    EXPECT_EQ(errc::malformed, parse_packet(v4(17, 19)).error()) << "shorter than its header";
    auto raw = v4(17, 28);
    raw[0] = 0x44;
    EXPECT_EQ(errc::malformed, parse_packet(raw).error()) << "header under 20 bytes";
    EXPECT_EQ(errc::malformed, parse_packet(v6(0, 8) + bytes{17, 1, 0, 0, 0, 0, 0, 0} + bytes(8)).error())
        << "an extension header that reaches behind the packet";
}

} // namespace
} // namespace cofferdam::nft
