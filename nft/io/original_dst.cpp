#include "nft/io/original_dst.hpp"

#include "nft/io/netlink.hpp"
#include "nft/io/socket_address.hpp"

namespace cofferdam::nft {
namespace {

constexpr int so_original_dst =
    80; // linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h; their headers clash with netinet/in.h

} // namespace

result<ip_endpoint> original_dst(int socket) noexcept
{
    socket_address own;
    if (::getsockname(socket, own.raw(), &own.size) != 0) return last_error();
    const auto accepted = own.endpoint();
    if (!accepted) return accepted.error();
    socket_address dialled;
    const int level = accepted->address.is_v4() ? IPPROTO_IP : IPPROTO_IPV6;
    if (::getsockopt(socket, level, so_original_dst, dialled.raw(), &dialled.size) != 0) return *accepted;
    return dialled.endpoint();
}

} // namespace cofferdam::nft
