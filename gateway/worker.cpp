#include "gateway/worker.hpp"

#include "dns/io/upstream_client.hpp"
#include "gateway/accept.hpp"
#include "gateway/flow.hpp"
#include "gateway/spawn.hpp"
#include "gateway/upstream_pool.hpp"
#include "gateway/verified_origins.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <future>

namespace cofferdam::gateway {
worker::registration::registration(worker& w, expirable& what) : worker_(w)
{
    place_ = worker_.expirables_.insert(worker_.expirables_.end(), &what);
}

worker::registration::~registration()
{
    worker_.expirables_.erase(place_);
}

worker::worker(job_context& job, event_loop& loop)
    : job_(job), loop_(loop), resolver_(std::make_unique<dns::upstream_client>(loop.context(), job.settings().dns)),
      idle_upstreams_(std::make_unique<upstream_pool>(job.settings().http)),
      origins_(std::make_unique<verified_origins>(job.settings().tls.leaf_cache, job.settings().tls.verified_for))
{
    loop_.attach(*this);
}

worker::~worker()
{
    if (released_) return;
    // What the loop waits for in this worker's name is let go of by the loop, while it runs.
    if (loop_.thread_.joinable() && !context().stopped()) {
        std::promise<void> done;
        asio::post(context(), [this, &done] {
            release();
            done.set_value();
        });
        done.get_future().wait();
    }
    loop_.detach(*this);
}

void worker::listen(int descriptor)
{
    auto acceptor = make_acceptor(context(), descriptor);
    acceptors_.push_back(acceptor);
    auto take = [this](tcp::socket socket, const ip_endpoint& client) { start_flow(*this, std::move(socket), client); };
    spawn_counted(context(), job_, accept_each(job_, acceptor, std::move(take)));
}

void worker::start()
{
    asio::post(context(), [this] { loop_.add(*this); });
}

void worker::stop(std::chrono::milliseconds drain)
{
    asio::post(context(), [this, drain] { begin_drain(drain); });
}

void worker::begin_drain(std::chrono::milliseconds drain)
{
    const auto until = std::chrono::steady_clock::now() + drain;
    drain_until_ = std::min(drain_until_, until);
    if (std::exchange(draining_, true)) return;
    for (auto& acceptor : acceptors_) {
        boost::system::error_code ignored;
        acceptor->close(ignored);
    }
    for (auto& hook : stop_hooks_) hook();
    idle_upstreams_->close();
}

void worker::release()
{
    stop_hooks_.clear();
    acceptors_.clear();
    idle_upstreams_->close(); // sessions that are still there know it
    origins_->close();
    resolver_.reset();
    released_ = true;
}

bool worker::reap(std::chrono::steady_clock::time_point now)
{
    const bool closing = now >= drain_until_;
    idle_upstreams_->drop_expired(now);
    // expire() registers nothing and ends no registration: the list does not change under the loop.
    for (auto* each : expirables_) {
        if (!closing && !each->due(now)) continue;
        each->disarm();
        each->expire();
    }
    const bool stopping = drain_until_ != std::chrono::steady_clock::time_point::max();
    const bool over = (stopping && expirables_.empty()) || (closing && now >= drain_until_ + std::chrono::seconds(2));
    if (over) drained_.store(true, std::memory_order_release);
    return over;
}

} // namespace cofferdam::gateway
