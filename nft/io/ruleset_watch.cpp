#include "nft/io/ruleset_watch.hpp"

#include "nft/io/gateway_sockets.hpp"

#include <array>
#include <cerrno>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace cofferdam::nft {
namespace {

constexpr std::size_t datagram_limit = 65536;

} // namespace

ruleset_watch::ruleset_watch(const netlink_socket& own)
    : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER))
{
    if (!socket_) throw_sealed(last_error(), "cannot open the ruleset's notifications");
    const int room = 8 << 20; // a change of many rules is told rule by rule; without privilege the default has to do
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    sockaddr_nl name{};
    name.nl_family = AF_NETLINK;
    // A socket without a port gets no notifications: those that exclude nobody exclude port 0.
    if (::bind(socket_.number(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
        throw_sealed(last_error(), "cannot bind the ruleset's notifications");
    const int group = NFNLGRP_NFTABLES;
    if (::setsockopt(socket_.number(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        throw_sealed(last_error(), "cannot subscribe to the ruleset's notifications");
    exclude(own);
}

ruleset_watch::ruleset_watch(descriptor subscribed, const netlink_socket& own) : socket_(std::move(subscribed))
{
    exclude(own);
}

void ruleset_watch::exclude(const netlink_socket& own)
{
    sockaddr_nl name{};
    name.nl_family = AF_NETLINK;
    ::bind(own.number(), reinterpret_cast<const sockaddr*>(&name), sizeof name); // or it gets its port when it first sends
    socklen_t size = sizeof name;
    if (::getsockname(own.number(), reinterpret_cast<sockaddr*>(&name), &size) != 0)
        throw_sealed(last_error(), "cannot read a netlink port");
    own_port_ = name.nl_pid;
}

std::optional<ruleset_events> ruleset_watch::take()
{
    std::optional<ruleset_events> out;
    alignas(nlmsghdr) std::array<std::uint8_t, datagram_limit> buffer;
    for (;;) {
        const auto size = ::recv(socket_.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0 && errno == ENOBUFS) {
            out = ruleset_events{true, true, {}, 0};
            continue;
        }
        if (size <= 0) return out;
        const auto events = decode_ruleset_events(byte_view(buffer.data(), static_cast<std::size_t>(size)), own_table, own_port_);
        if (!events) {
            out = ruleset_events{true, true, {}, 0};
            continue;
        }
        pending_ = pending_ || events->changed;
        if (!pending_ || !events->committed) continue;
        pending_ = false;
        out = *events;
    }
}

ruleset_sockets open_ruleset_sockets()
{
    auto netfilter = netlink_socket::open(NETLINK_NETFILTER);
    if (!netfilter) throw_sealed(netfilter.error(), "cannot open nfnetlink");
    ruleset_watch watch(*netfilter);
    return {std::move(*netfilter), std::move(watch)};
}

} // namespace cofferdam::nft
