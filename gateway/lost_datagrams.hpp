#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

namespace cofferdam::gateway {

class job_context;

/// Datagrams of the job that the kernel dropped because they came faster than the gateway read them, from the packet queues or
/// from its DNS sockets. Thread-safe.
class lost_datagrams {
public:
    explicit lost_datagrams(job_context& job) : job_(job) {}

    /// Counts them. One alert a second tells how many there were since the last one.
    void note(std::uint32_t count);
    /// An alert about those that none has told of yet, if there are any. For whoever notes no more.
    void flush();

private:
    void alert();

    job_context& job_;
    std::mutex mutex_;
    std::uint64_t untold_ = 0;
    std::chrono::steady_clock::time_point alerted_{};
};

} // namespace cofferdam::gateway
