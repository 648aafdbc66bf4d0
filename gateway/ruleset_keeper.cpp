#include "gateway/ruleset_keeper.hpp"

#include <boost/asio/post.hpp>
#include <future>
#include <unistd.h>

namespace cofferdam::gateway {
namespace {

constexpr std::chrono::seconds alert_interval{1};
constexpr std::chrono::milliseconds retry_interval{100};

std::string describe(const nft::ruleset_events& change)
{
    std::string out = "the ruleset was changed";
    if (!change.process.empty()) out += " by " + change.process;
    if (change.pid != 0) out += " (process " + std::to_string(change.pid) + ')';
    return out;
}

} // namespace

ruleset_keeper::ruleset_keeper(boost::asio::io_context& context, maker make, std::function<void(std::string)> alert)
    : ruleset_keeper(context, std::move(make), std::move(alert), nft::open_ruleset_sockets())
{
}

ruleset_keeper::ruleset_keeper(boost::asio::io_context& context, maker make, std::function<void(std::string)> alert,
                               nft::ruleset_sockets sockets)
    : make_(std::move(make)), alert_(std::move(alert)), sockets_(std::move(sockets)),
      events_(context, ::dup(sockets_.watch.number())), teller_(context), retry_(context)
{
}

void ruleset_keeper::install()
{
    queueing_ = nft::install_ruleset(sockets_.netfilter, make_);
    stands_ = true;
    wait();
}

void ruleset_keeper::replace(std::vector<nft::chain> chains)
{
    std::packaged_task<void()> task([&] {
        // Where it does not stand now, it is put back with these rules.
        if (stands_) nft::replace_rules(sockets_.netfilter, chains);
    });
    auto done = task.get_future();
    boost::asio::post(events_.get_executor(), [&task] { task(); });
    done.get();
}

void ruleset_keeper::wait()
{
    events_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this, alive = alive()](boost::system::error_code ec) {
        if (ec || alive.expired()) return;
        look();
        wait();
    });
}

void ruleset_keeper::look()
{
    const auto change = sockets_.watch.take();
    if (!change) return;
    last_ = describe(*change) + put_back();
    if (++changes_ == 1) tell_later();
}

std::string ruleset_keeper::put_back()
{
    try {
        nft::install_ruleset(sockets_.netfilter, make_);
        stands_ = true;
        return ", and put back";
    }
    catch (const nft::sealed_network_error& e) {
        stands_ = false;
        retry_.expires_after(retry_interval);
        retry_.async_wait([this, alive = alive()](boost::system::error_code ec) {
            if (!ec && !alive.expired()) put_back();
        });
        return std::string(", and can't be put back: ") + e.what();
    }
}

void ruleset_keeper::tell_later()
{
    teller_.expires_at(told_ + alert_interval); // the first at once
    teller_.async_wait([this, alive = alive()](boost::system::error_code ec) {
        if (ec || alive.expired()) return;
        told_ = std::chrono::steady_clock::now();
        const auto count = std::exchange(changes_, 0U);
        alert_(last_ + (count > 1 ? "; " + std::to_string(count) + " changes" : ""));
    });
}

} // namespace cofferdam::gateway
