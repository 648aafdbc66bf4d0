#include "gateway/event_loop.hpp"

#include "core/io/thread_name.hpp"
#include "gateway/worker.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace cofferdam::gateway {
namespace {

constexpr std::chrono::milliseconds reap_interval{50};
constexpr std::chrono::milliseconds end_interval{5}; // somebody waits for the end

} // namespace

event_loop::~event_loop()
{
    stop();
    for (auto* each : attached_) each->release();
}

void event_loop::attach(worker& w)
{
    const std::lock_guard lock(mutex_);
    attached_.push_back(&w);
}

void event_loop::detach(worker& w)
{
    const std::lock_guard lock(mutex_);
    std::erase(attached_, &w);
}

void event_loop::start()
{
    wait();
    thread_ = std::thread([this] {
        name_this_thread("loop");
        context_.run();
    });
}

void event_loop::end_when_idle()
{
    asio::post(context_, [this] {
        ending_ = true;
        reaper_.cancel(); // the wait for its old time ends without a tick
        tick();
    });
}

void event_loop::join()
{
    if (thread_.joinable()) thread_.join();
}

void event_loop::stop()
{
    context_.stop();
    join();
}

void event_loop::add(worker& w)
{
    workers_.push_back(&w);
}

void event_loop::wait()
{
    reaper_.expires_after(ending_ ? end_interval : reap_interval);
    reaper_.async_wait([this](boost::system::error_code ec) {
        if (!ec) tick();
    });
}

void event_loop::tick()
{
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(workers_, [now](worker* each) { return each->reap(now); });
    if (ending_ && workers_.empty()) return context_.stop();
    wait();
}

event_loops make_loops(std::size_t count)
{
    event_loops out;
    while (out.size() < count) out.push_back(std::make_unique<event_loop>());
    return out;
}

std::size_t count_loops(std::size_t wanted)
{
    if (wanted != 0) return std::min<std::size_t>(wanted, 64);
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 4);
}

} // namespace cofferdam::gateway
