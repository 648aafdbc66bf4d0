#include "dns/io/udp_socket.hpp"

#include <algorithm>
#include <cstring>
#include <linux/sock_diag.h>
#include <utility>

namespace cofferdam::dns {
namespace {

union control_buffer {
    cmsghdr alignment;
    char bytes[CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(sizeof(in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(std::uint32_t))];
};

void read_destination(msghdr& message, udp_path& out) noexcept
{
    for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            std::memcpy(&out.local_v4, CMSG_DATA(c), sizeof out.local_v4);
            out.local_v4.ipi_spec_dst = out.local_v4.ipi_addr;
            out.local_v4.ipi_ifindex = 0; // the route decides, the address is what counts
            out.family = AF_INET;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            std::memcpy(&out.local_v6, CMSG_DATA(c), sizeof out.local_v6);
            if (!IN6_IS_ADDR_LINKLOCAL(&out.local_v6.ipi6_addr)) out.local_v6.ipi6_ifindex = 0;
            out.family = AF_INET6;
        }
    }
}

void read_mark(msghdr& message, std::uint32_t& out) noexcept
{
    out = 0;
    for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_MARK) std::memcpy(&out, CMSG_DATA(c), sizeof out);
}

// Nothing before the first drop.
void read_dropped(msghdr& message, std::uint32_t& total) noexcept
{
    for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
        std::uint32_t seen = 0;
        std::memcpy(&seen, CMSG_DATA(c), sizeof seen);
        if (static_cast<std::int32_t>(seen - total) > 0) total = seen; // datagrams of two senders may be out of order
    }
}

void write_source(msghdr& message, control_buffer& space, const udp_path& to) noexcept
{
    if (to.family == AF_UNSPEC) return;
    const bool v4 = to.family == AF_INET;
    const std::size_t size = v4 ? sizeof to.local_v4 : sizeof to.local_v6;
    message.msg_control = space.bytes;
    message.msg_controllen = v4 ? CMSG_SPACE(sizeof to.local_v4) : CMSG_SPACE(sizeof to.local_v6);
    auto* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    c->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(c), v4 ? static_cast<const void*>(&to.local_v4) : &to.local_v6, size);
}

} // namespace

ip_endpoint endpoint_of(const sockaddr_storage& address) noexcept
{
    if (address.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        return {ip_address::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
    }
    if (address.ss_family != AF_INET6) return {};
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    ip_address::v6_bytes bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    const auto whole = ip_address::v6(bytes);
    return {IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) ? whole.unmapped() : whole, ntohs(v6.sin6_port)};
}

udp_socket::udp_socket(int fd) : fd_(fd), buffers_(batch)
{
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
}

void udp_socket::want_destinations() noexcept
{
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    ::setsockopt(fd_, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

bool udp_socket::want_marks() noexcept
{
    constexpr int so_rcvmark = 75; // not in the headers of older kernels
    const int on = 1;
    return ::setsockopt(fd_, SOL_SOCKET, so_rcvmark, &on, sizeof on) == 0;
}

std::size_t udp_socket::receive()
{
    std::array<mmsghdr, batch> messages{};
    std::array<iovec, batch> parts{};
    std::array<control_buffer, batch> controls;
    for (std::size_t i = 0; i < batch; ++i) {
        paths_[i].family = AF_UNSPEC;
        parts[i] = {buffers_[i].data(), buffers_[i].size()};
        auto& m = messages[i].msg_hdr;
        m.msg_name = &paths_[i].peer;
        m.msg_namelen = sizeof paths_[i].peer;
        m.msg_iov = &parts[i];
        m.msg_iovlen = 1;
        m.msg_control = controls[i].bytes;
        m.msg_controllen = sizeof controls[i].bytes;
    }
    const int got = ::recvmmsg(fd_, messages.data(), batch, MSG_DONTWAIT, nullptr);
    if (got <= 0) return 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
        sizes_[i] = messages[i].msg_len;
        paths_[i].peer_size = messages[i].msg_hdr.msg_namelen;
        read_destination(messages[i].msg_hdr, paths_[i]);
        read_mark(messages[i].msg_hdr, paths_[i].mark);
        read_dropped(messages[i].msg_hdr, dropped_);
    }
    return static_cast<std::size_t>(got);
}

std::uint32_t udp_socket::take_lost() noexcept
{
    return dropped_ - std::exchange(told_, dropped_);
}

std::uint32_t udp_socket::take_all_lost() noexcept
{
    std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
    socklen_t size = sizeof values;
    if (::getsockopt(fd_, SOL_SOCKET, SO_MEMINFO, values.data(), &size) == 0 && size > SK_MEMINFO_DROPS * sizeof values[0])
        dropped_ = values[SK_MEMINFO_DROPS];
    return take_lost();
}

void udp_socket::queue(const udp_path& to, std::vector<std::uint8_t> datagram)
{
    if (queued_ == batch) flush();
    outgoing_[queued_] = std::move(datagram);
    outgoing_paths_[queued_] = to;
    ++queued_;
}

void udp_socket::flush() noexcept
{
    std::array<mmsghdr, batch> messages{};
    std::array<iovec, batch> parts{};
    std::array<control_buffer, batch> controls;
    for (std::size_t i = 0; i < queued_; ++i) {
        parts[i] = {outgoing_[i].data(), outgoing_[i].size()};
        auto& m = messages[i].msg_hdr;
        m.msg_name = &outgoing_paths_[i].peer;
        m.msg_namelen = outgoing_paths_[i].peer_size;
        m.msg_iov = &parts[i];
        m.msg_iovlen = 1;
        write_source(m, controls[i], outgoing_paths_[i]);
    }
    for (std::size_t at = 0; at < queued_;) {
        const auto left = static_cast<unsigned>(queued_ - at);
        const int done = ::sendmmsg(fd_, messages.data() + at, left, MSG_DONTWAIT | MSG_NOSIGNAL);
        at += done > 0 ? static_cast<std::size_t>(done) : 1; // one that can't be sent holds up no other
    }
    queued_ = 0;
}

} // namespace cofferdam::dns
