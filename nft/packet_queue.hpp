#pragma once

#include "core/bytes.hpp"

#include <cstdint>
#include <vector>

namespace cofferdam::nft {

/// The messages of NFQUEUE (linux/netfilter/nfnetlink_queue.h), as libnetfilter_queue makes and reads them.

struct queue_limits {
    /// Packets that wait for a verdict; the kernel drops what comes beyond, and tells nobody. Where the receive buffer is full
    /// first, what is lost shows as a gap in the packet ids, so this is the larger of the two by default.
    std::uint32_t length = 16384;
    /// Bytes of each packet that are copied. The default is the kernel's limit: all but the longest are seen whole.
    std::uint32_t copy_range = 65531;
};

/// What binds a netlink socket to queue `number`: requests to send one by one (each asks for an acknowledgement). Packets are
/// copied whole up to the range; the flags for fail-open and for unsegmented packets (GSO) are cleared, so that a full queue
/// drops and each datagram of a segmented send is judged by itself.
std::vector<std::vector<std::uint8_t>> encode_queue_setup(std::uint16_t number, const queue_limits& limits);

/// A packet that waits for its verdict.
struct queued_packet {
    std::uint32_t id = 0;     ///< counts from 1 in each queue, packets that found no room in the receive buffer too
    byte_view bytes;          ///< from the network header on; a view into the message
    std::uint32_t length = 0; ///< of the packet; more than `bytes` if it was cut
    std::uint32_t mark = 0;   ///< of the packet; 0: none
};

/// Decodes one datagram of the queue's socket; it must lie at an address aligned to 4. errc::unsupported: no packet (an
/// acknowledgement); the kernel's own error code of a refused request; errc::malformed.
result<queued_packet> decode_queued(byte_view datagram) noexcept;

enum class queue_verdict : std::uint8_t { accept, drop };

/// Verdicts on packets in the order of their ids, as few messages: one for each run of the same verdict. A batch verdict is for
/// every packet up to an id; whatever lies between two packets without having been read is therefore dropped by name first.
class verdict_batch {
public:
    explicit verdict_batch(std::uint16_t queue) noexcept : queue_(queue) {}

    /// `id` is greater than those before. The ids missing right before it: packets that were lost, exactly counted.
    std::uint32_t add(std::uint32_t id, queue_verdict verdict);
    /// All messages since the last call of clear(); send them as one datagram.
    byte_view finish();
    /// After finish(): nothing is pending. `sent` false: the verdicts did not reach the kernel; what they were about is dropped
    /// with the next ones.
    void clear(bool sent = true) noexcept;

private:
    void close_run();
    void put(std::uint16_t type, std::uint32_t id, queue_verdict verdict);

    std::uint16_t queue_;
    std::uint32_t last_ = 0;
    std::uint32_t run_ = 0; // packets
    queue_verdict run_verdict_{};
    bool unsettled_ = false;
    std::vector<std::uint8_t> messages_;
};

} // namespace cofferdam::nft
