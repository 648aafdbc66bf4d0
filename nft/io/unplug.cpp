#include "nft/io/unplug.hpp"

#include "nft/io/gateway_sockets.hpp"
#include "nft/io/loopback.hpp"
#include "nft/io/route_message.hpp"
#include "nft/sealed_ruleset.hpp"

#include <cerrno>
#include <linux/veth.h>
#include <memory>
#include <net/if.h>

namespace cofferdam::nft {
namespace {

constexpr const char* inner = "cofferdam0"; // the routes lead to it
constexpr const char* outer = "cofferdam1";

void must(const error_code& ec, const std::string& what)
{
    if (ec) throw_sealed(ec, "cannot " + what);
}

bool is(const error_code& ec, int number)
{
    return ec == error_code(number, boost::system::system_category());
}

void take_down(netlink_socket& route)
{
    const std::unique_ptr<struct if_nameindex, decltype(&::if_freenameindex)> all(::if_nameindex(), &::if_freenameindex);
    if (!all) throw_sealed(last_error(), "cannot list the interfaces");
    for (const auto* each = all.get(); each->if_index != 0; ++each) {
        const std::string name = each->if_name;
        if (name == "lo" || name == inner || name == outer) continue;
        const auto ec = set_interface_up(route, each->if_index, false);
        if (!is(ec, ENODEV)) must(ec, "take " + name + " down");
    }
}

void make_pair(netlink_socket& route)
{
    route_message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.body<ifinfomsg>();
    message.attribute(IFLA_IFNAME, std::string(inner));
    auto* link = message.open(IFLA_LINKINFO);
    message.attribute(IFLA_INFO_KIND, std::string("veth"));
    auto* data = message.open(IFLA_INFO_DATA);
    auto* peer = message.open(VETH_INFO_PEER);
    message.body<ifinfomsg>();
    message.attribute(IFLA_IFNAME, std::string(outer));
    message.close(peer);
    message.close(data);
    message.close(link);
    const auto ec = route.request(message.bytes());
    if (!is(ec, EEXIST)) must(ec, std::string("make ") + inner);
}

error_code add_default(netlink_socket& route, const ip_address& source, unsigned index)
{
    route_message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
    auto& entry = message.body<rtmsg>();
    entry.rtm_family = family_of(source);
    entry.rtm_table = RT_TABLE_MAIN;
    entry.rtm_protocol = RTPROT_BOOT;
    entry.rtm_scope = source.is_v4() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    entry.rtm_type = RTN_UNICAST;
    message.attribute(RTA_OIF, index);
    return route.request(message.bytes());
}

/// False where the address can't be had: the namespace has no such family.
bool add_address(netlink_socket& route, unsigned index, const ip_address& address)
{
    const auto ec = add_host_address(route, index, address);
    if (!address.is_v4() && (is(ec, EACCES) || is(ec, EOPNOTSUPP) || is(ec, EAFNOSUPPORT))) return false;
    if (!is(ec, EEXIST)) must(ec, "add " + address.to_string());
    return true;
}

} // namespace

void unplug_interfaces()
{
    auto route = netlink_socket::open(NETLINK_ROUTE);
    if (!route) throw_sealed(route.error(), "cannot open rtnetlink");
    must(raise_loopback(*route), "raise lo");
    take_down(*route);
    make_pair(*route);
    // The peer first, then there is a carrier at once.
    for (const auto* each : {outer, inner})
        must(set_interface_up(*route, ::if_nametoindex(each), true), std::string("raise ") + each);
    const auto index = ::if_nametoindex(inner);
    const sealed_addresses addresses;
    for (const auto& each : {addresses.job_v4, addresses.job_v6}) {
        if (!add_address(*route, index, each)) continue;
        must(add_default(*route, each, index), "route by " + std::string(inner));
    }
}

} // namespace cofferdam::nft
