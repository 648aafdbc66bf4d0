#pragma once

#include "core/io/coroutine.hpp"
#include "core/ip.hpp"
#include "gateway/event_loop.hpp"
#include "gateway/job_context.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <memory>

namespace cofferdam::dns {
class upstream_client;
}

namespace cofferdam::gateway {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

class upstream_pool;
class verified_origins;

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

/// What one job has on one event loop: the flows that it accepted there (they never migrate), its resolver, its deadlines.
/// Everything here but start(), stop() and drained() is called on the loop's thread, or before the loop and the worker are
/// started.
class worker {
public:
    worker(job_context& job, event_loop& loop);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    /// Takes ownership of a listening TCP socket whose connections were redirected here.
    void listen(int descriptor);
    /// An acceptor of another service on this worker: closed when the worker stops.
    void adopt(std::shared_ptr<tcp::acceptor> acceptor) { acceptors_.push_back(std::move(acceptor)); }
    /// Called on the worker's thread when it is told to stop; also what the function owns lives until then.
    void at_stop(std::function<void()> hook) { stop_hooks_.push_back(std::move(hook)); }
    /// From now on deadlines are looked after. Thread-safe.
    void start();
    /// Stops accepting; flows go on until they end or `drain` passes, then they are closed. Once more: to shorten that.
    /// Thread-safe.
    void stop(std::chrono::milliseconds drain);
    /// True when, after stop(), nothing of the job runs on this loop any more, or nothing ended it in time. Thread-safe.
    bool drained() const noexcept { return drained_.load(std::memory_order_acquire); }
    asio::io_context& context() noexcept { return loop_.context(); }
    job_context& job() noexcept { return job_; }
    dns::upstream_client& resolver() noexcept { return *resolver_; }

    /// Connections to origins that flows of this worker left behind.
    upstream_pool& idle_upstreams() noexcept { return *idle_upstreams_; }
    /// Origins that flows of this worker verified just now.
    verified_origins& origins() noexcept { return *origins_; }

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
    friend class event_loop;
    bool reap(std::chrono::steady_clock::time_point now); // true: drained, forget it
    void release();                                       // of what belongs to the loop, which ends
    void begin_drain(std::chrono::milliseconds drain);

    job_context& job_;
    event_loop& loop_;
    std::list<expirable*> expirables_;
    std::unique_ptr<dns::upstream_client> resolver_;
    std::unique_ptr<upstream_pool> idle_upstreams_;
    std::unique_ptr<verified_origins> origins_;
    std::vector<std::shared_ptr<tcp::acceptor>> acceptors_;
    std::vector<std::function<void()>> stop_hooks_;
    std::chrono::steady_clock::time_point drain_until_ = std::chrono::steady_clock::time_point::max();
    std::atomic<bool> drained_{false};
    bool draining_ = false;
    bool released_ = false;
};

} // namespace cofferdam::gateway
