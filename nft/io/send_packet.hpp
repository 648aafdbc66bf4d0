#pragma once

#include "core/ip.hpp"

#include <cstdint>
#include <vector>

namespace cofferdam::nft {

/// Sends a whole IP packet through a raw socket of sealed_descriptors (answers_v4, answers_v6: that of the packet's family) to
/// `destination`, which its header names too. Without waiting.
error_code send_packet(int socket, byte_view packet, const ip_address& destination) noexcept;

/// Packets for one such socket that leave with one system call. The socket is not owned. Not thread-safe.
class packet_batch {
public:
    static constexpr std::size_t max_packets = 64;

    explicit packet_batch(int socket) : socket_(socket) {}

    /// Keeps a copy until flush(), or until there are max_packets.
    void add(byte_view packet, const ip_address& destination);
    /// Sends them, without waiting. What the receiver does not take is lost, as on any network.
    void flush() noexcept;

private:
    struct kept {
        std::vector<std::uint8_t> bytes;
        ip_address destination;
    };

    int socket_;
    std::vector<kept> packets_; // grows to max_packets and keeps its memory
    std::size_t size_ = 0;
};

} // namespace cofferdam::nft
