#pragma once

#include "nft/io/descriptor.hpp"
#include "nft/packet_queue.hpp"

#include <atomic>
#include <functional>
#include <string_view>

namespace cofferdam::nft {

/// What a queue_reader calls, on the thread that runs it.
struct queue_calls {
    /// Of each packet, in order. An exception drops the packet. The bytes are valid during the call.
    std::function<queue_verdict(const queued_packet&)> judge;
    /// A batch of packets was judged; their verdicts are sent next. May be empty.
    std::function<void()> judged;
    /// Packets that the kernel dropped because the receive buffer was full, found at the next one that had room.
    std::function<void(std::uint32_t count)> lost;
    /// A packet that could not be read, a verdict that the kernel refused, an exception: the packet is dropped.
    std::function<void(std::string_view what)> failure;
};

/// Reads one queue and gives each packet its verdict: many packets a system call, one for all their verdicts. Whatever has no
/// verdict when it ends is dropped by the kernel together with the socket. Verdicts need CAP_NET_ADMIN over the network
/// namespace, which its maker's user has.
class queue_reader {
public:
    static constexpr std::size_t batch = 64;

    /// `socket`: of sealed_descriptors::queues, bound to queue `number`. Throws std::system_error if there is no eventfd(2).
    queue_reader(descriptor socket, std::uint16_t number, std::uint32_t copy_range, queue_calls calls);

    /// Reads until stop(). Blocks.
    void run();
    /// Ends run() after the packets that it has in hand. Thread-safe; before run() too.
    void stop() noexcept;

private:
    class receive_slots;

    bool wait() const;
    void take(byte_view datagram);
    queue_verdict judge(const queued_packet& packet);
    void send_verdicts();

    descriptor socket_, wake_up_;
    std::uint32_t copy_range_;
    queue_calls calls_;
    verdict_batch verdicts_;
    std::atomic<bool> stopping_{false};
};

} // namespace cofferdam::nft
