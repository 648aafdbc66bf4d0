#include "nft/io/flow_marks.hpp"

#include "nft/io/gateway_sockets.hpp"
#include "nft/io/netlink.hpp"

#include <array>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace cofferdam::nft {
namespace {

netlink_socket open_socket()
{
    auto opened = netlink_socket::open(NETLINK_NETFILTER);
    if (!opened) throw_sealed(opened.error(), "cannot open connection tracking");
    return std::move(*opened);
}

} // namespace

flow_marks::flow_marks() : socket_(open_socket().release()) {}

result<std::uint32_t> flow_marks::find(const flow_query& query)
{
    const auto request = encode_flow_query(query, ++sequence_);
    if (!request) return request.error();
    if (::send(socket_.number(), request->data(), request->size(), 0) < 0) return last_error();
    alignas(nlmsghdr) std::array<std::uint8_t, 8192> buffer;
    for (;;) { // ends: every pass takes a datagram off the queue
        const auto size = ::recv(socket_.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0) return last_error();
        const auto mark = decode_flow_mark({buffer.data(), static_cast<std::size_t>(size)}, sequence_);
        if (mark || mark.error() != errc::closed) return mark;
    }
}

} // namespace cofferdam::nft
