#include "nft/query_shape.hpp"
#include "nft/udp.hpp"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace cofferdam::nft {
namespace {

ip_endpoint endpoint(std::string_view address, std::uint16_t port)
{
    return {ip_address::parse(address).value(), port};
}

std::vector<std::uint8_t> packet(const ip_endpoint& from, const ip_endpoint& to, std::string_view text)
{
    std::vector<std::uint8_t> out(max_udp_headers + text.size());
    out.resize(write_udp(out, from, to, as_bytes(text)).value());
    return out;
}

/// RFC 1071, straight from its text: 16-bit words, carries added back, one's complement.
std::uint16_t sum_of(const std::vector<std::uint8_t>& bytes)
{
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i] << 8) : bytes[i];
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(sum);
}

/// What a receiver adds up (pseudo header and datagram); all ones if the checksum is right.
std::uint16_t verified(const std::vector<std::uint8_t>& bytes, bool v4)
{
    const std::ptrdiff_t header = v4 ? 20 : 40, addresses = v4 ? 12 : 8;
    std::vector<std::uint8_t> all(bytes.begin() + addresses, bytes.begin() + header);
    const auto length = bytes.size() - static_cast<std::size_t>(header);
    all.insert(all.end(), {0, 17, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)});
    all.insert(all.end(), bytes.begin() + header, bytes.end());
    return sum_of(all);
}

TEST(udp, what_is_written_reads_back_with_right_checksums)
{
    const std::array<std::pair<ip_endpoint, ip_endpoint>, 2> ends{
        {{endpoint("8.8.8.8", 53), endpoint("100.64.0.2", 40000)},
         {endpoint("2001:db8::53", 53), endpoint("fd00:cd::2", 40001)}}};
    for (const auto& [from, to] : ends) {
        for (const std::string_view text : {"", "a", "ab", "a longer payload, odd"}) {
            const auto bytes = packet(from, to, text);
            const auto read = parse_udp(bytes).value();
            EXPECT_EQ(from, read.source);
            EXPECT_EQ(to, read.destination);
            EXPECT_EQ(text, as_text(read.payload));
            EXPECT_TRUE(read.whole);
            const bool v4 = from.address.is_v4();
            EXPECT_EQ(0xFFFF, verified(bytes, v4)) << from.to_string() << ' ' << text;
            EXPECT_TRUE(!v4 || sum_of({bytes.begin(), bytes.begin() + 20}) == 0xFFFF);
        }
    }
}

TEST(udp, a_checksum_of_zero_is_sent_as_all_ones)
{
    // The last two octets make the sum 0xFFFF, so its complement is 0: which would mean "no checksum".
    const auto from = endpoint("10.0.0.1", 1), to = endpoint("10.0.0.2", 2);
    auto bytes = packet(from, to, std::string_view("\0\0", 2));
    const std::uint16_t missing = static_cast<std::uint16_t>(bytes[26] << 8 | bytes[27]);
    const std::string fill{static_cast<char>(missing >> 8), static_cast<char>(missing & 0xFF)};
    bytes = packet(from, to, fill);
    EXPECT_EQ(0xFF, bytes[26]);
    EXPECT_EQ(0xFF, bytes[27]);
}

TEST(udp, does_not_write_what_cannot_be)
{
    std::array<std::uint8_t, 64> out{};
    const auto v4 = endpoint("10.0.0.1", 1), v6 = endpoint("::1", 1);
    EXPECT_EQ(errc::unsupported, write_udp(out, v4, v6, {}).error());
    EXPECT_EQ(errc::too_large, write_udp(std::span(out).first(27), v4, v4, {}).error());
    std::vector<std::uint8_t> large(70000), huge(65536);
    EXPECT_EQ(errc::too_large, write_udp(large, v4, v4, byte_view(huge).first(65535 - 27)).error());
    EXPECT_TRUE(write_udp(large, v4, v4, byte_view(huge).first(65535 - 28)).has_value());
    EXPECT_EQ(errc::too_large, write_udp(large, v6, v6, byte_view(huge).first(65535 - 7)).error());
}

TEST(udp, every_prefix_of_a_packet_is_told_from_the_whole)
{
    for (const auto& bytes : {packet(endpoint("8.8.8.8", 53), endpoint("100.64.0.2", 4), "question"),
                              packet(endpoint("2001:db8::1", 53), endpoint("fd00::2", 4), "question")}) {
        const std::size_t headers = bytes.size() - 8;
        for (std::size_t n = 0; n < bytes.size(); ++n) {
            const auto read = parse_udp(byte_view(bytes).first(n));
            if (n < headers)
                EXPECT_EQ(errc::need_more, read.error()) << n;
            else
                EXPECT_FALSE(read->whole) << n;
        }
    }
}

TEST(udp, lengths_that_contradict_each_other_are_malformed)
{
    const auto good = packet(endpoint("8.8.8.8", 53), endpoint("100.64.0.2", 4), "question");
    for (const std::uint8_t length : std::array<std::uint8_t, 5>{0, 7, 15, 17, 255}) { // it is 16
        auto bytes = good;
        bytes[25] = length;
        EXPECT_EQ(errc::malformed, parse_udp(bytes).error()) << int{length};
    }
    auto trailing = good;
    trailing[3] = static_cast<std::uint8_t>(trailing[3] + 4); // the packet is longer than the datagram
    trailing.insert(trailing.end(), 4, 0);
    EXPECT_EQ(errc::malformed, parse_udp(trailing).error());
}

TEST(udp, fragments_and_other_protocols_are_not_read)
{
    const auto good = packet(endpoint("8.8.8.8", 53), endpoint("100.64.0.2", 4), "question");
    auto first = good, later = good, tcp = good;
    first[6] = 0x20;
    later[7] = 1;
    tcp[9] = 6;
    for (const auto& bytes : {first, later, tcp}) EXPECT_EQ(errc::unsupported, parse_udp(bytes).error());
}

TEST(query_shape, is_that_of_a_query_whatever_else_it_holds)
{
    const std::array<std::uint8_t, 12> query{0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1};
    EXPECT_TRUE(has_query_shape(query));
    for (const auto& [at, value] : {std::pair<std::size_t, std::uint8_t>{2, 0x80},
                                    {2, 0x08},
                                    {2, 0x40},
                                    {4, 1},
                                    {5, 0},
                                    {5, 2},
                                    {7, 1},
                                    {9, 1},
                                    {6, 1},
                                    {8, 1}}) {
        auto other = query;
        other[at] = value;
        EXPECT_FALSE(has_query_shape(other)) << at << ' ' << int{value};
    }
    for (const auto& [at, value] : {std::pair<std::size_t, std::uint8_t>{0, 0xFF}, {2, 0x07}, {3, 0xFF}, {10, 9}}) {
        auto other = query;
        other[at] = value;
        EXPECT_TRUE(has_query_shape(other)) << at;
    }
    EXPECT_TRUE(has_query_shape(byte_view(query).first(10)));
    EXPECT_FALSE(has_query_shape(byte_view(query).first(9)));
}

} // namespace
} // namespace cofferdam::nft
