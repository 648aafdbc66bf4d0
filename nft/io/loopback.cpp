#include "nft/io/loopback.hpp"

#include <array>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

namespace cofferdam::nft {
namespace {

constexpr unsigned loopback_index = 1; // the first interface of every network namespace

class route_message {
public:
    route_message(std::uint16_t type, std::uint16_t flags) : header_(mnl_nlmsg_put_header(buffer_.data()))
    {
        header_->nlmsg_type = type;
        header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
        header_->nlmsg_seq = 1;
    }
    template <class T>
    T& body()
    {
        return *static_cast<T*>(mnl_nlmsg_put_extra_header(header_, sizeof(T)));
    }
    void attribute(std::uint16_t type, byte_view value) { mnl_attr_put(header_, type, value.size(), value.data()); }
    void attribute(std::uint16_t type, std::uint32_t value) { mnl_attr_put_u32(header_, type, value); }
    byte_view bytes() const { return {reinterpret_cast<const std::uint8_t*>(header_), header_->nlmsg_len}; }

private:
    alignas(nlmsghdr) std::array<char, 256> buffer_{};
    nlmsghdr* header_;
};

std::uint8_t family_of(const ip_address& address)
{
    return address.is_v4() ? AF_INET : AF_INET6;
}

std::uint8_t bits_of(const ip_address& address)
{
    return address.is_v4() ? 32 : 128;
}

} // namespace

error_code raise_loopback(netlink_socket& route)
{
    route_message message(RTM_NEWLINK, 0);
    auto& link = message.body<ifinfomsg>();
    link.ifi_family = AF_UNSPEC;
    link.ifi_index = loopback_index;
    link.ifi_flags = IFF_UP;
    link.ifi_change = IFF_UP;
    return route.request(message.bytes());
}

error_code add_loopback_address(netlink_socket& route, const ip_address& address)
{
    route_message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    auto& entry = message.body<ifaddrmsg>();
    entry.ifa_family = family_of(address);
    entry.ifa_prefixlen = bits_of(address);
    entry.ifa_flags = address.is_v4() ? 0 : IFA_F_NODAD;
    entry.ifa_scope = RT_SCOPE_UNIVERSE;
    entry.ifa_index = loopback_index;
    message.attribute(IFA_LOCAL, address.bytes());
    message.attribute(IFA_ADDRESS, address.bytes());
    return route.request(message.bytes());
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
