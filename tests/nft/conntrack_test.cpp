#include "nft/conntrack.hpp"

#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

namespace cofferdam::nft {
namespace {

using octets = std::vector<std::uint8_t>;

const ip_endpoint own{ip_address::v4(0x7F000001U), 15001}, peer{ip_address::v4(0x0A630002U), 40000};

octets message(std::uint16_t type, std::uint32_t sequence, const octets& body)
{
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
    header.nlmsg_type = type;
    header.nlmsg_seq = sequence;
    octets out(sizeof header);
    std::memcpy(out.data(), &header, sizeof header);
    out.insert(out.end(), body.begin(), body.end());
    return out;
}

constexpr std::uint16_t flow_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;

octets flow(std::uint32_t sequence, bool marked)
{
    octets body{2, 0, 0, 0, 8, 0, CTA_STATUS, 0, 0, 0, 1, 8};
    const octets mark{8, 0, CTA_MARK, 0, 0x0c, 0xf0, 0, 1};
    if (marked) body.insert(body.end(), mark.begin(), mark.end());
    return message(flow_type, sequence, body);
}

octets refusal(std::uint32_t sequence, int error)
{
    octets body(sizeof(nlmsgerr));
    std::memcpy(body.data(), &error, sizeof error);
    return message(NLMSG_ERROR, sequence, body);
}

TEST(conntrack, a_flow_is_asked_for_by_the_ends_of_its_answers)
{
    const auto request = encode_flow_query({6, own, peer}, 9).value();
    nlmsghdr header;
    std::memcpy(&header, request.data(), sizeof header);
    EXPECT_EQ(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, header.nlmsg_type);
    EXPECT_EQ(9U, header.nlmsg_seq);
    EXPECT_EQ(request.size(), header.nlmsg_len);
    // struct nfgenmsg, then CTA_TUPLE_REPLY { CTA_TUPLE_IP { source, destination }, CTA_TUPLE_PROTO { number, ports } }
    const octets expected{2,  0, 0, 0,   52, 0, 2, 128, 20, 0, 1, 128, 8, 0, 1, 0, 127, 0,   0, 1, 8, 0, 2, 0, 10,  99, 0, 2,
                          28, 0, 2, 128, 5,  0, 1, 0,   6,  0, 0, 0,   6, 0, 2, 0, 58,  153, 0, 0, 6, 0, 3, 0, 156, 64, 0, 0};
    EXPECT_EQ(expected, octets(request.begin() + sizeof header, request.end()));
    const ip_endpoint six{ip_address::v6({}), 1};
    EXPECT_EQ(errc::unsupported, encode_flow_query({6, own, six}, 1).error());
    EXPECT_EQ(96U, encode_flow_query({6, six, six}, 1)->size());
}

TEST(conntrack, marks_are_read)
{
    EXPECT_EQ(0xCF00001U, decode_flow_mark(flow(9, true), 9).value());
    EXPECT_EQ(0U, decode_flow_mark(flow(9, false), 9).value());
    EXPECT_EQ(errc::closed, decode_flow_mark(flow(8, true), 9).error()) << "of an older request";
    EXPECT_EQ(errc::not_found, decode_flow_mark(refusal(9, -ENOENT), 9).error());
    EXPECT_EQ(EPERM, decode_flow_mark(refusal(9, -EPERM), 9).error().value());
    auto both = flow(8, false);
    const auto second = flow(9, true);
    both.insert(both.end(), second.begin(), second.end());
    EXPECT_EQ(0xCF00001U, decode_flow_mark(both, 9).value());
}

TEST(conntrack, no_mark_comes_out_of_a_cut_message)
{
    const auto whole = flow(9, true);
    for (std::size_t size = 1; size < whole.size(); ++size)
        EXPECT_EQ(errc::malformed, decode_flow_mark(byte_view(whole).first(size), 9).error()) << size;
    EXPECT_EQ(errc::malformed, decode_flow_mark(message(flow_type, 9, {2, 0, 0}), 9).error());
    EXPECT_EQ(errc::malformed, decode_flow_mark(message(flow_type, 9, {2, 0, 0, 0, 6, 0, CTA_MARK, 0, 1, 1, 0, 0}), 9).error());
}

} // namespace
} // namespace cofferdam::nft
