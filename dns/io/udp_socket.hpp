#pragma once

#include "dns/message.hpp"

#include <array>
#include <netinet/in.h>
#include <sys/socket.h>
#include <vector>

namespace cofferdam::dns {

/// Both ends of a datagram: where it came from, and which of our addresses it came to. The answer leaves from that address,
/// or connection tracking would not know it (udp(7), IP_PKTINFO).
struct udp_path {
    sockaddr_storage peer{};
    socklen_t peer_size = 0;
    in_pktinfo local_v4{};
    in6_pktinfo local_v6{};
    std::uint32_t mark = 0; ///< of the packet that came; 0: none, or unknown
    int family = AF_UNSPEC; ///< of the local address; AF_UNSPEC: unknown, the kernel chooses
};

ip_endpoint endpoint_of(const sockaddr_storage& address) noexcept; ///< a v4-mapped address comes out as IPv4

/// Datagrams in batches on a socket made elsewhere, which keeps its receive buffer; the socket is not owned. Not thread-safe.
class udp_socket {
public:
    static constexpr std::size_t batch = 32;

    explicit udp_socket(int fd);

    /// Asks the kernel to tell each datagram's destination. Both families are tried; a failure only means that it will not.
    void want_destinations() noexcept;

    /// Asks the kernel to tell each packet's mark (SO_RCVMARK, Linux 5.19). False if it will not.
    bool want_marks() noexcept;

    /// Receives up to `batch` datagrams without blocking; 0 if there are none. Octets over max_query_size are cut to one more
    /// than that, so that the parser refuses them.
    std::size_t receive();
    byte_view datagram(std::size_t i) const noexcept { return {buffers_[i].data(), sizes_[i]}; }
    const udp_path& path(std::size_t i) const noexcept { return paths_[i]; }

    /// Datagrams that the kernel dropped because the receive buffer was full, and that no earlier call told of: as of the last
    /// datagram received that came after such a drop (SO_RXQ_OVFL, socket(7)).
    std::uint32_t take_lost() noexcept;
    /// The same, as of now: asks the kernel.
    std::uint32_t take_all_lost() noexcept;

    /// Keeps a datagram until flush(), or until there are `batch` of them.
    void queue(const udp_path& to, std::vector<std::uint8_t> datagram);
    /// Sends what is queued, without blocking. A full socket buffer loses answers, as the network may.
    void flush() noexcept;
    bool has_queued() const noexcept { return queued_ != 0; }

private:
    int fd_;
    std::vector<std::array<std::uint8_t, max_query_size + 1>> buffers_;
    std::array<std::size_t, batch> sizes_{};
    std::array<udp_path, batch> paths_{};
    std::uint32_t dropped_ = 0, told_ = 0; // of all time, modulo 2^32
    std::array<std::vector<std::uint8_t>, batch> outgoing_;
    std::array<udp_path, batch> outgoing_paths_{};
    std::size_t queued_ = 0;
};

} // namespace cofferdam::dns
