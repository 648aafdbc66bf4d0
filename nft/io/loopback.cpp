#include "nft/io/loopback.hpp"

#include "nft/io/route_message.hpp"

#include <net/if.h>

namespace cofferdam::nft {
namespace {

constexpr unsigned loopback_index = 1; // the first interface of every network namespace

} // namespace

error_code raise_loopback(netlink_socket& route)
{
    return set_interface_up(route, loopback_index, true);
}

error_code add_loopback_address(netlink_socket& route, const ip_address& address)
{
    return add_host_address(route, loopback_index, address);
}

error_code add_local_default(netlink_socket& route, const ip_address& source)
{
    route_message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    auto& entry = message.body<rtmsg>();
    entry.rtm_family = family_of(source);
    entry.rtm_table = RT_TABLE_LOCAL;
    entry.rtm_protocol = RTPROT_BOOT;
    entry.rtm_scope = source.is_v4() ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
    entry.rtm_type = RTN_LOCAL;
    message.attribute(RTA_PREFSRC, source.bytes());
    message.attribute(RTA_OIF, loopback_index);
    return route.request(message.bytes());
}

} // namespace cofferdam::nft
