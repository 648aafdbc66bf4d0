#include "gateway/own_addresses.hpp"

#include "nft/io/descriptor.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace cofferdam::gateway {
namespace {

std::shared_ptr<const own_addresses::address_set> list_addresses()
{
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return nullptr;
    auto out = std::make_shared<own_addresses::address_set>();
    for (const auto* each = list; each; each = each->ifa_next) {
        if (!each->ifa_addr) continue;
        char text[INET6_ADDRSTRLEN] = {};
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr);
        if (each->ifa_addr->sa_family == AF_INET)
            ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        else if (each->ifa_addr->sa_family == AF_INET6)
            ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        if (const auto parsed = ip_address::parse(text)) out->insert(*parsed);
    }
    ::freeifaddrs(list);
    return out;
}

/// The kernel tells of each address that comes or goes (rtnetlink(7)).
nft::descriptor open_notifications()
{
    nft::descriptor out(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    sockaddr_nl name{};
    name.nl_family = AF_NETLINK;
    name.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    if (out && ::bind(out.number(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) out = nft::descriptor();
    return out;
}

/// Reads all that was told. Where nothing can be, or some was lost, there may have been a change.
bool take_notifications(int socket)
{
    std::array<char, 8192> ignored;
    bool any = false;
    for (;;) {
        if (::recv(socket, ignored.data(), ignored.size(), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
            any = true;
        else if (errno != EINTR)
            return any || errno != EAGAIN;
    }
}

} // namespace

bool own_addresses::contain(const ip_address& address)
{
    const std::lock_guard lock(mutex_);
    if (system_.changed()) known_ = nullptr;
    if (!known_) known_ = system_.list();
    return !known_ || known_->contains(address);
}

own_addresses& machine_addresses()
{
    static own_addresses out = [] {
        const auto told = std::make_shared<nft::descriptor>(open_notifications());
        return own_addresses({[told] { return take_notifications(told->number()); }, list_addresses});
    }();
    return out;
}

} // namespace cofferdam::gateway
