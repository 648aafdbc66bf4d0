#pragma once

#include "core/ip.hpp"
#include "gateway/job_context.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <thread>

namespace cofferdam::dns {
class upstream_client;
}

namespace cofferdam::gateway {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

class upstream_pool;

/// Something with a deadline that the worker enforces. Lives on one worker's thread only.
class expirable {
public:
    virtual ~expirable() = default;
    /// The deadline passed: close what the coroutines wait for. Called once for each arming.
    virtual void expire() noexcept = 0;

    void arm(std::chrono::steady_clock::duration from_now) noexcept { deadline_ = std::chrono::steady_clock::now() + from_now; }
    void disarm() noexcept { deadline_ = std::chrono::steady_clock::time_point::max(); }
    bool due(std::chrono::steady_clock::time_point now) const noexcept { return deadline_ <= now; }

private:
    std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
};

/// One thread, one io_context, and the flows that it accepted: they never migrate. Everything here but start(), stop() and
/// join() is called on the worker's own thread.
class worker {
public:
    explicit worker(job_context& job);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    /// Takes ownership of a listening TCP socket whose connections were redirected here.
    void listen(int descriptor);
    /// An acceptor of another service on this worker: closed when the worker stops.
    void adopt(std::shared_ptr<tcp::acceptor> acceptor) { acceptors_.push_back(std::move(acceptor)); }
    /// Called on the worker's thread when it is told to stop; also what the function owns lives until then.
    void at_stop(std::function<void()> hook) { stop_hooks_.push_back(std::move(hook)); }
    void start();
    /// Stops accepting; flows go on until they end or `drain` passes, then they are closed. Thread-safe.
    void stop(std::chrono::milliseconds drain);
    void join();

    asio::io_context& context() noexcept { return context_; }
    job_context& job() noexcept { return job_; }
    dns::upstream_client& resolver() noexcept { return *resolver_; }

    /// Connections to origins that flows of this worker left behind.
    upstream_pool& idle_upstreams() noexcept { return *idle_upstreams_; }

    /// Registers an expirable for deadline checks until the returned registration is destroyed.
    class registration {
    public:
        registration(worker& w, expirable& what);
        ~registration();
        registration(const registration&) = delete;
        registration& operator=(const registration&) = delete;

    private:
        worker& worker_;
        std::list<expirable*>::iterator place_;
    };

private:
    asio::awaitable<void> accept_loop(std::shared_ptr<tcp::acceptor> acceptor);
    asio::awaitable<void> reap_loop();
    void begin_drain(std::chrono::milliseconds drain);

    job_context& job_;
    std::list<expirable*> expirables_;                                // outlives context_, whose end ends the flows that are left
    asio::io_context context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO}; // sockets are used by one thread, posts come from any
    std::unique_ptr<dns::upstream_client> resolver_;
    std::unique_ptr<upstream_pool> idle_upstreams_;
    std::vector<std::shared_ptr<tcp::acceptor>> acceptors_;
    std::vector<std::function<void()>> stop_hooks_;
    asio::steady_timer reaper_{context_};
    std::chrono::steady_clock::time_point drain_until_ = std::chrono::steady_clock::time_point::max();
    std::thread thread_;
};

} // namespace cofferdam::gateway
