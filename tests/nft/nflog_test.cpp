#include "nft/nflog.hpp"

#include <array>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink_log.h>

namespace cofferdam::nft {
namespace {

using bytes = std::vector<std::uint8_t>;

/// One message as the kernel lays it out (nfnetlink_log.c).
bytes message(const bytes& packet, std::uint32_t sequence, std::string_view prefix = "refused")
{
    alignas(nlmsghdr) std::array<char, 2048> buffer{};
    auto* header = mnl_nlmsg_put_header(buffer.data());
    header->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
    mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg));
    mnl_attr_put(header, NFULA_PREFIX, prefix.size() + 1, std::string(prefix).c_str());
    mnl_attr_put_u32(header, NFULA_UID, __builtin_bswap32(1000));
    mnl_attr_put_u32(header, NFULA_MARK, __builtin_bswap32(0xCF00001));
    mnl_attr_put_u32(header, NFULA_SEQ, __builtin_bswap32(sequence));
    mnl_attr_put(header, NFULA_PAYLOAD, packet.size(), packet.data());
    const auto* raw = reinterpret_cast<const std::uint8_t*>(buffer.data());
    return {raw, raw + mnl_nlmsg_size(0) + header->nlmsg_len - sizeof(nlmsghdr)};
}

bytes udp_packet(std::uint16_t port, const std::string& text)
{
    bytes out{0x45,
              0,
              0,
              static_cast<std::uint8_t>(28 + text.size()),
              0,
              0,
              0,
              0,
              64,
              17,
              0,
              0,
              100,
              64,
              0,
              2,
              8,
              8,
              8,
              8,
              0x9c,
              0x40,
              static_cast<std::uint8_t>(port >> 8),
              static_cast<std::uint8_t>(port),
              0,
              0,
              0,
              0};
    out.insert(out.end(), text.begin(), text.end());
    return out;
}

TEST(nflog, a_refused_datagram)
{
    const auto raw = message(udp_packet(443, "quic"), 7);
    const auto batch = decode_log(raw).value();
    ASSERT_EQ(1U, batch.packets.size());
    const auto& p = batch.packets[0];
    EXPECT_EQ(17, p.protocol);
    EXPECT_EQ("100.64.0.2:40000", p.source.to_string());
    EXPECT_EQ("8.8.8.8:443", p.destination.to_string());
    EXPECT_EQ(32U, p.length);
    EXPECT_EQ("refused", p.prefix);
    EXPECT_EQ(1000U, p.uid);
    EXPECT_EQ(7U, p.sequence);
    EXPECT_EQ(0xCF00001U, p.mark);
    EXPECT_TRUE(p.payload.empty()) << "only names are kept";
}

TEST(nflog, the_question_of_a_refused_dns_query_is_kept)
{
    const auto batch = decode_log(message(udp_packet(5353, "question"), 0)).value();
    EXPECT_EQ("question", as_text(batch.packets.at(0).payload));
}

TEST(nflog, type_and_code_of_icmp_are_kept)
{
    auto packet = udp_packet(0, "");
    packet[9] = 1;  // ICMP
    packet[20] = 8; // echo request
    packet[21] = 0;
    const auto batch = decode_log(message(packet, 0)).value();
    const std::vector<std::uint8_t> expected{8, 0};
    EXPECT_EQ(expected, batch.packets.at(0).payload);
    EXPECT_EQ(0, batch.packets.at(0).destination.port);
}

TEST(nflog, many_messages_in_one_datagram)
{
    auto raw = message(udp_packet(1, "a"), 0);
    raw.resize((raw.size() + 3) & ~std::size_t{3});
    const auto second = message(udp_packet(2, "b"), 1);
    raw.insert(raw.end(), second.begin(), second.end());
    const auto batch = decode_log(raw).value();
    ASSERT_EQ(2U, batch.packets.size());
    EXPECT_EQ(2, batch.packets[1].destination.port);
}

TEST(nflog, later_fragments_have_no_ports_and_unreadable_packets_are_counted)
{
    auto packet = udp_packet(443, "x");
    packet[7] = 10; // fragment offset
    EXPECT_EQ(0, decode_log(message(packet, 0)).value().packets.at(0).destination.port);
    packet[0] = 0x00;
    const auto batch = decode_log(message(packet, 0)).value();
    EXPECT_EQ(1U, batch.unreadable);
    EXPECT_TRUE(batch.packets.empty());
}

TEST(nflog, broken_framing)
{
    const auto raw = message(udp_packet(443, "x"), 0);
    for (std::size_t size = 1; size < raw.size(); ++size)
        EXPECT_EQ(errc::malformed, decode_log(byte_view(raw).first(size)).error()) << size;
    EXPECT_TRUE(decode_log({}).value().packets.empty());
}

TEST(log_sequence, counts_what_is_missing)
{
    log_sequence s;
    EXPECT_EQ(0U, s.observe(0));
    EXPECT_EQ(0U, s.observe(1));
    EXPECT_EQ(3U, s.observe(5));
    EXPECT_EQ(3U, s.lost());
    log_sequence late;
    EXPECT_EQ(4U, late.observe(4)) << "the first ones can be lost too";
}

} // namespace
} // namespace cofferdam::nft
