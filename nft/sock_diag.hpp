#pragma once

#include "core/ip.hpp"

#include <array>
#include <cstdint>

namespace cofferdam::nft {

/// One socket, asked for by its addresses (sock_diag(7)). Both ends of one family.
struct socket_query {
    std::uint8_t transport = 6; ///< IPPROTO_TCP, IPPROTO_UDP or IPPROTO_UDPLITE
    ip_endpoint local, remote;  ///< as the socket itself sees them
};

inline constexpr std::size_t socket_request_size = 72; ///< struct nlmsghdr and struct inet_diag_req_v2

/// The request as one netlink message. A UDP socket that is not connected is found by its local address too.
/// errc::unsupported if the ends are of two families.
result<std::array<std::uint8_t, socket_request_size>> encode_socket_request(const socket_query& query,
                                                                            std::uint32_t sequence) noexcept;

struct socket_owner {
    std::uint32_t inode = 0; ///< as in "socket:[N]" of /proc/PID/fd; 0: no descriptor refers to it any more
    std::uint32_t uid = 0;   ///< in the user namespace of the netlink socket's maker
};

/// The answer to the request with that sequence number. errc::not_found if there is no such socket; errc::closed if the
/// datagram holds answers to other requests only (read on); the kernel's own error code for its refusals; errc::malformed.
result<socket_owner> decode_socket_answer(byte_view datagram, std::uint32_t sequence) noexcept;

} // namespace cofferdam::nft
