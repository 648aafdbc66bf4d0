#pragma once

#include "nft/io/queue_reader.hpp"

#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace cofferdam::gateway {

/// The consumers of packet queues: one thread each. While they do not run, nothing that is queued passes.
class queue_threads {
public:
    using calls_of = std::function<nft::queue_calls(std::size_t n)>;
    /// `queues[n]` is bound to queue `first` + n; what `calls` gives for n is called on its thread.
    queue_threads(std::vector<nft::descriptor> queues, std::uint16_t first, std::uint32_t copy_range, const calls_of& calls);
    ~queue_threads(); ///< stop()
    queue_threads(const queue_threads&) = delete;
    queue_threads& operator=(const queue_threads&) = delete;

    void start();
    /// Waits until no thread is left; what is queued then is dropped.
    void stop();

private:
    std::vector<std::unique_ptr<nft::queue_reader>> readers_;
    std::vector<std::thread> threads_;
};

} // namespace cofferdam::gateway
