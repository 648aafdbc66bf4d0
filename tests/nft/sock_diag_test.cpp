#include "nft/sock_diag.hpp"

#include <cerrno>
#include <climits>
#include <cstring>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <vector>

namespace cofferdam::nft {
namespace {

const ip_endpoint client{ip_address::v4(0x64400002U), 40000}, server{ip_address::v4(0x08080808U), 443};

inet_diag_req_v2 body_of(const std::array<std::uint8_t, socket_request_size>& request)
{
    inet_diag_req_v2 out;
    std::memcpy(&out, request.data() + sizeof(nlmsghdr), sizeof out);
    return out;
}

template <class Body>
std::vector<std::uint8_t> answer(std::uint16_t type, std::uint32_t sequence, const Body& body)
{
    nlmsghdr header{};
    header.nlmsg_len = sizeof header + sizeof body;
    header.nlmsg_type = type;
    header.nlmsg_seq = sequence;
    std::vector<std::uint8_t> out(header.nlmsg_len);
    std::memcpy(out.data(), &header, sizeof header);
    std::memcpy(out.data() + sizeof header, &body, sizeof body);
    return out;
}

TEST(sock_diag, tcp_is_asked_for_by_its_own_end_and_udp_by_the_other)
{
    const auto tcp = body_of(encode_socket_request({6, client, server}, 1).value());
    EXPECT_EQ(__builtin_bswap32(0x64400002U), tcp.id.idiag_src[0]);
    EXPECT_EQ(__builtin_bswap16(40000), tcp.id.idiag_sport);
    EXPECT_EQ(__builtin_bswap16(443), tcp.id.idiag_dport);
    const auto udp = body_of(encode_socket_request({17, client, server}, 1).value());
    EXPECT_EQ(__builtin_bswap32(0x08080808U), udp.id.idiag_src[0]);
    EXPECT_EQ(__builtin_bswap16(40000), udp.id.idiag_dport);
    const ip_endpoint other{ip_address::v6({}), 1};
    EXPECT_EQ(errc::unsupported, encode_socket_request({6, client, other}, 1).error());
}

TEST(sock_diag, answers)
{
    inet_diag_msg found{};
    found.idiag_inode = 4711;
    found.idiag_uid = 1000;
    const auto good = answer(SOCK_DIAG_BY_FAMILY, 9, found);
    EXPECT_EQ(4711U, decode_socket_answer(good, 9).value().inode);
    EXPECT_EQ(1000U, decode_socket_answer(good, 9).value().uid);
    EXPECT_EQ(errc::closed, decode_socket_answer(good, 8).error()) << "to an older request";
    nlmsgerr refused{};
    refused.error = -ENOENT;
    EXPECT_EQ(errc::not_found, decode_socket_answer(answer(NLMSG_ERROR, 9, refused), 9).error());
    for (const int no_errno : {1, -4096, INT_MIN}) {
        refused.error = no_errno;
        EXPECT_EQ(errc::malformed, decode_socket_answer(answer(NLMSG_ERROR, 9, refused), 9).error()) << no_errno;
    }
    refused.error = -EPERM;
    EXPECT_EQ(EPERM, decode_socket_answer(answer(NLMSG_ERROR, 9, refused), 9).error().value());
    for (std::size_t size = 1; size < good.size(); ++size)
        EXPECT_EQ(errc::malformed, decode_socket_answer(byte_view(good).first(size), 9).error()) << size;
}

} // namespace
} // namespace cofferdam::nft
