#pragma once

#include "core/ip.hpp"
#include "nft/io/netlink.hpp"

#include <array>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string>

namespace cofferdam::nft {

/// One request of rtnetlink(7), that asks for an acknowledgement. What is put in must fit into 256 octets.
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
    void attribute(std::uint16_t type, const std::string& text) { mnl_attr_put_strz(header_, type, text.c_str()); }
    /// Attributes that are put until close() are inside of this one.
    nlattr* open(std::uint16_t type) { return mnl_attr_nest_start(header_, type); }
    void close(nlattr* nest) { mnl_attr_nest_end(header_, nest); }
    byte_view bytes() const { return {reinterpret_cast<const std::uint8_t*>(header_), header_->nlmsg_len}; }

private:
    alignas(nlmsghdr) std::array<char, 256> buffer_{};
    nlmsghdr* header_;
};

inline std::uint8_t family_of(const ip_address& address)
{
    return address.is_v4() ? AF_INET : AF_INET6;
}

error_code set_interface_up(netlink_socket& route, unsigned index, bool up);
/// As a host address (/32, /128), usable at once (IFA_F_NODAD).
error_code add_host_address(netlink_socket& route, unsigned index, const ip_address& address);

} // namespace cofferdam::nft
