#include "nft/io/route_message.hpp"

#include <net/if.h>

namespace cofferdam::nft {

error_code set_interface_up(netlink_socket& route, unsigned index, bool up)
{
    route_message message(RTM_NEWLINK, 0);
    auto& link = message.body<ifinfomsg>();
    link.ifi_family = AF_UNSPEC;
    link.ifi_index = static_cast<int>(index);
    link.ifi_flags = up ? IFF_UP : 0;
    link.ifi_change = IFF_UP;
    return route.request(message.bytes());
}

error_code add_host_address(netlink_socket& route, unsigned index, const ip_address& address)
{
    route_message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    auto& entry = message.body<ifaddrmsg>();
    entry.ifa_family = family_of(address);
    entry.ifa_prefixlen = address.is_v4() ? 32 : 128;
    entry.ifa_flags = address.is_v4() ? 0 : IFA_F_NODAD;
    entry.ifa_scope = RT_SCOPE_UNIVERSE;
    entry.ifa_index = index;
    message.attribute(IFA_LOCAL, address.bytes());
    message.attribute(IFA_ADDRESS, address.bytes());
    return route.request(message.bytes());
}

} // namespace cofferdam::nft
