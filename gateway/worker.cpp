#include "gateway/worker.hpp"

#include "dns/io/upstream_client.hpp"
#include "gateway/flow.hpp"
#include "gateway/spawn.hpp"
#include "gateway/upstream_pool.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds reap_interval{50};
/// Pause after accept() failed for want of descriptors or memory (EMFILE, ENOBUFS): the queue waits, nothing spins.
constexpr std::chrono::milliseconds accept_pause{20};

} // namespace

worker::registration::registration(worker& w, expirable& what) : worker_(w)
{
    place_ = worker_.expirables_.insert(worker_.expirables_.end(), &what);
}

worker::registration::~registration()
{
    worker_.expirables_.erase(place_);
}

worker::worker(job_context& job)
    : job_(job), resolver_(std::make_unique<dns::upstream_client>(context_, job.settings().dns)),
      idle_upstreams_(std::make_unique<upstream_pool>(job.settings().http))
{
}

worker::~worker()
{
    context_.stop();
    join();
}

void worker::listen(int descriptor)
{
    auto acceptor = std::make_shared<tcp::acceptor>(context_);
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    const bool v6 = ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &size) == 0 && name.ss_family == AF_INET6;
    acceptor->assign(v6 ? tcp::v6() : tcp::v4(), descriptor);
    acceptor->non_blocking(true);
    acceptors_.push_back(acceptor);
    spawn_counted(context_, job_, accept_loop(acceptor));
}

void worker::start()
{
    spawn_counted(context_, job_, reap_loop());
    thread_ = std::thread([this] { context_.run(); });
}

void worker::stop(std::chrono::milliseconds drain)
{
    asio::post(context_, [this, drain] { begin_drain(drain); });
}

void worker::begin_drain(std::chrono::milliseconds drain)
{
    for (auto& acceptor : acceptors_) {
        boost::system::error_code ignored;
        acceptor->close(ignored);
    }
    for (auto& hook : stop_hooks_) hook();
    idle_upstreams_->close();
    drain_until_ = std::chrono::steady_clock::now() + drain;
}

void worker::join()
{
    if (thread_.joinable()) thread_.join();
}

asio::awaitable<void> worker::accept_loop(std::shared_ptr<tcp::acceptor> acceptor)
{
    while (acceptor->is_open()) {
        auto [ec, socket] = co_await acceptor->async_accept(use_tuple);
        if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) co_return;
        if (ec) {
            asio::steady_timer pause(context_, accept_pause);
            co_await pause.async_wait(use_tuple);
            continue;
        }
        try {
            start_flow(*this, std::move(socket));
        }
        catch (const std::exception& e) {
            job_.count_internal_error(e.what());
        }
    }
}

asio::awaitable<void> worker::reap_loop()
{
    for (;;) {
        reaper_.expires_after(reap_interval);
        co_await reaper_.async_wait(use_tuple);
        const auto now = std::chrono::steady_clock::now();
        const bool closing = now >= drain_until_;
        idle_upstreams_->drop_expired(now);
        // expire() only closes descriptors: the list does not change under the loop.
        for (auto* each : expirables_) {
            if (!closing && !each->due(now)) continue;
            each->disarm();
            each->expire();
        }
        const bool stopping = drain_until_ != std::chrono::steady_clock::time_point::max();
        if (stopping && expirables_.empty()) break;
        if (closing && now >= drain_until_ + std::chrono::seconds(2)) break;
    }
    context_.stop();
}

} // namespace cofferdam::gateway
