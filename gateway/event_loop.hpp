#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace cofferdam::gateway {

class worker;

/// One thread and its io_context. What runs on it never migrates. It looks after the deadlines of its workers.
class event_loop {
public:
    event_loop() = default;
    ~event_loop(); ///< stop()
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;

    boost::asio::io_context& context() noexcept { return context_; }
    void start();
    /// On the thread that starts and ends it.
    bool runs() const noexcept { return thread_.joinable(); }
    /// Ends the thread once no worker is left on it. Thread-safe.
    void end_when_idle();
    void join();
    /// Ends the thread at once. What it was about to do is destroyed with the loop; workers that are not yet let go of what
    /// belongs to it, and outlive it.
    void stop();

private:
    friend class worker;
    void attach(worker& w); // for its lifetime; from any thread
    void detach(worker& w);
    void add(worker& w); // on the loop's thread, as below
    void tick();
    void wait();

    boost::asio::io_context context_{1};
    boost::asio::steady_timer reaper_{context_};
    std::mutex mutex_;
    std::vector<worker*> attached_;
    std::vector<worker*> workers_; // whose deadlines are looked after
    bool ending_ = false;
    std::thread thread_;
};

using event_loops = std::vector<std::unique_ptr<event_loop>>;
event_loops make_loops(std::size_t count);

/// How many event loops a gateway has: limits.workers, or one a core, at most four.
std::size_t count_loops(std::size_t wanted);

} // namespace cofferdam::gateway
