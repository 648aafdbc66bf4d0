#pragma once

#include "core/identity.hpp"
#include "core/io/coroutine.hpp"
#include "nft/io/attribution.hpp"
#include "nft/io/descriptor.hpp"

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace cofferdam::gateway {

using found_process = std::shared_ptr<const process_identity>;

/// Names the process behind a flow, on a thread of its own (reading /proc blocks). Thread-safe. A full queue, or an answer
/// that takes longer than a quarter of a second, means "unknown": attribution is evidence, never a condition.
class attribution {
public:
    /// `diagnostics`: the NETLINK_SOCK_DIAG socket of the job's network namespace.
    attribution(nft::descriptor diagnostics, nft::process_finder_options options);
    ~attribution();

    /// Must be awaited on `context`'s thread.
    boost::asio::awaitable<found_process> find(boost::asio::io_context& context, std::uint8_t transport, ip_endpoint client,
                                               ip_endpoint dialled);

private:
    struct question {
        std::uint8_t transport;
        ip_endpoint client, dialled;
        std::function<void(found_process)> answer;
    };

    void run();

    nft::descriptor diagnostics_;
    nft::process_finder finder_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<question> queue_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace cofferdam::gateway
