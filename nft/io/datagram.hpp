#pragma once

#include "core/ip.hpp"

#include <cstdint>
#include <span>

namespace cofferdam::nft {

/// A datagram of the job, and where it was sent.
struct received_datagram {
    std::size_t size = 0; ///< bytes written to the buffer
    ip_endpoint client;
    ip_address destination; ///< dialled by the client; the port is the socket's
};

/// Reads one datagram from a udp_relay socket, without waiting. The system's error code (EAGAIN: none there);
/// errc::too_large if it did not fit (it is lost); errc::not_found if the kernel did not tell the destination.
result<received_datagram> receive_datagram(int socket, std::span<std::uint8_t> buffer) noexcept;

/// Datagrams that the kernel has dropped at the socket so far because its receive buffer was full (SO_MEMINFO, socket(7)), modulo
/// 2^32; 0 where the kernel does not tell.
std::uint32_t dropped_datagrams(int socket) noexcept;

/// Answers `client` as if from `source`, without waiting; the source port is the socket's.
error_code send_datagram(int socket, byte_view bytes, const ip_address& source, const ip_endpoint& client) noexcept;

} // namespace cofferdam::nft
