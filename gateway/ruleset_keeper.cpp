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

ruleset_keeper::ruleset_keeper(boost::asio::io_context& context, maker make, std::chrono::milliseconds interval,
                               std::function<void(std::string)> alert)
    : ruleset_keeper(context, std::move(make), interval, std::move(alert), nft::open_ruleset_sockets())
{
}

ruleset_keeper::ruleset_keeper(boost::asio::io_context& context, maker make, std::chrono::milliseconds interval,
                               std::function<void(std::string)> alert, nft::ruleset_sockets sockets)
    : make_(std::move(make)), interval_(interval), alert_(std::move(alert)), sockets_(std::move(sockets)),
      events_(context, ::dup(sockets_.watch.number())), teller_(context), retry_(context), comparing_(context)
{
}

void ruleset_keeper::install()
{
    queueing_ = nft::install_ruleset(sockets_.netfilter, make_);
    note_identity();
    stands_ = true;
    wait();
    compare_later();
}

void ruleset_keeper::note_identity()
{
    auto read = nft::read_identity(sockets_.netfilter);
    installed_.reset();
    if (read) installed_ = std::move(*read);
}

void ruleset_keeper::compare_later()
{
    comparing_.expires_after(interval_);
    comparing_.async_wait([this, alive = alive()](boost::system::error_code ec) {
        if (ec || alive.expired()) return;
        compare();
        compare_later();
    });
}

// Notifications are lost where the kernel has no memory for them, and what changed the rules may not send any. False: rulesets
// are changed all the time, and that is told.
bool ruleset_keeper::compare()
{
    if (!stands_) return true; // is being put back already
    const auto read = nft::read_identity(sockets_.netfilter);
    if (!read && read.error() == errc::need_more) return false;
    if (read && installed_ && *read == *installed_) return true;
    tell((read && installed_ ? "the ruleset is not what was installed" : "the ruleset could not be compared") + put_back());
    return true;
}

void ruleset_keeper::replace(std::vector<nft::chain> chains)
{
    std::packaged_task<void()> task([&] {
        // What others changed must not be taken for the gateway's own.
        if (!compare()) put_back();
        // Where it does not stand now, it is put back with these rules.
        if (!stands_) return;
        nft::replace_rules(sockets_.netfilter, chains);
        note_identity();
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
    tell(describe(*change) + put_back());
}

void ruleset_keeper::tell(std::string what)
{
    last_ = std::move(what);
    if (++changes_ == 1) tell_later();
}

std::string ruleset_keeper::put_back()
{
    try {
        nft::install_ruleset(sockets_.netfilter, make_);
        note_identity();
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
