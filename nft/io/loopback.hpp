#pragma once

#include "core/ip.hpp"
#include "nft/io/netlink.hpp"

namespace cofferdam::nft {

/// rtnetlink(7) on lo of the network namespace of `route`, a NETLINK_ROUTE socket. Each is one request, acknowledged.
/// They need CAP_NET_ADMIN in the user namespace that owns the network namespace.

error_code raise_loopback(netlink_socket& route);
/// As a host address (/32, /128), usable at once (IFA_F_NODAD).
error_code add_loopback_address(netlink_socket& route, const ip_address& address);
/// AnyIP: `ip route add local default dev lo src SOURCE`. Every address of the family becomes this namespace's own.
error_code add_local_default(netlink_socket& route, const ip_address& source);

} // namespace cofferdam::nft
