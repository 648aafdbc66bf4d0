#include "nft/io/send_packet.hpp"

#include "nft/io/netlink.hpp"
#include "nft/io/socket_address.hpp"

namespace cofferdam::nft {

error_code send_packet(int socket, byte_view packet, const ip_address& destination) noexcept
{
    const socket_address to({destination, 0}); // a raw socket of IPv6 wants no port
    const auto sent = ::sendto(socket, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to.raw(), to.size);
    return sent < 0 ? last_error() : error_code{};
}

} // namespace cofferdam::nft
