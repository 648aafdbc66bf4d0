#include "nft/io/datagram.hpp"

#include "nft/io/netlink.hpp"
#include "nft/io/socket_address.hpp"

#include <array>
#include <linux/sock_diag.h>

namespace cofferdam::nft {
namespace {

constexpr std::size_t control_size = CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(in_pktinfo));

result<ip_address> destination_of(msghdr& message) noexcept
{
    for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            in_pktinfo found;
            std::memcpy(&found, CMSG_DATA(c), sizeof found);
            return ip_address::v4(ntohl(found.ipi_addr.s_addr));
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo found;
            std::memcpy(&found, CMSG_DATA(c), sizeof found);
            ip_address::v6_bytes bytes;
            std::memcpy(bytes.data(), &found.ipi6_addr, bytes.size());
            return ip_address::v6(bytes);
        }
    }
    return errc::not_found;
}

template <class Information>
void put_control(msghdr& message, int level, int type, const Information& value) noexcept
{
    message.msg_controllen = CMSG_SPACE(sizeof value);
    auto* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(c), &value, sizeof value);
}

} // namespace

result<received_datagram> receive_datagram(int socket, std::span<std::uint8_t> buffer) noexcept
{
    socket_address client;
    alignas(cmsghdr) std::array<std::uint8_t, control_size> control{};
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = client.raw();
    message.msg_namelen = client.size;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto size = ::recvmsg(socket, &message, MSG_DONTWAIT);
    if (size < 0) return last_error();
    if ((message.msg_flags & MSG_TRUNC) != 0) return errc::too_large;
    const auto destination = destination_of(message);
    if (!destination) return destination.error();
    const auto from = client.endpoint();
    if (!from) return from.error();
    return received_datagram{static_cast<std::size_t>(size), *from, *destination};
}

std::uint32_t dropped_datagrams(int socket) noexcept
{
    std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
    socklen_t size = sizeof values;
    const bool told = ::getsockopt(socket, SOL_SOCKET, SO_MEMINFO, values.data(), &size) == 0;
    return told && size > SK_MEMINFO_DROPS * sizeof values[0] ? values[SK_MEMINFO_DROPS] : 0;
}

error_code send_datagram(int socket, byte_view bytes, const ip_address& source, const ip_endpoint& client) noexcept
{
    socket_address to(client);
    alignas(cmsghdr) std::array<std::uint8_t, control_size> control{};
    iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_name = to.raw();
    message.msg_namelen = to.size;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    const auto from = source.bytes();
    if (source.is_v4()) {
        in_pktinfo information{};
        std::memcpy(&information.ipi_spec_dst, from.data(), from.size());
        put_control(message, IPPROTO_IP, IP_PKTINFO, information);
    }
    else {
        in6_pktinfo information{};
        std::memcpy(&information.ipi6_addr, from.data(), from.size());
        put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, information);
    }
    return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? last_error() : error_code{};
}

} // namespace cofferdam::nft
