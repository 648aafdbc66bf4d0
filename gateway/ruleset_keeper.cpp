#include "gateway/ruleset_keeper.hpp"

#include <linux/netlink.h>
#include <unistd.h>

namespace cofferdam::gateway {
namespace {

constexpr std::chrono::seconds alert_interval{1};
constexpr std::chrono::milliseconds retry_interval{100};

nft::netlink_socket open_netfilter()
{
    auto opened = nft::netlink_socket::open(NETLINK_NETFILTER);
    if (!opened) nft::throw_sealed(opened.error(), "cannot open nfnetlink");
    return std::move(*opened);
}

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
    : make_(std::move(make)), interval_(interval), alert_(std::move(alert)), netfilter_(open_netfilter()), watch_(netfilter_),
      events_(context, ::dup(watch_.number())), teller_(context), retry_(context), comparing_(context)
{
}

void ruleset_keeper::install()
{
    queueing_ = nft::install_ruleset(netfilter_, make_);
    note_identity();
    stands_ = true;
    wait();
    compare_later();
}

void ruleset_keeper::note_identity()
{
    auto read = nft::read_identity();
    installed_.reset();
    if (read) installed_ = std::move(*read);
}

void ruleset_keeper::compare_later()
{
    comparing_.expires_after(interval_);
    comparing_.async_wait([this](boost::system::error_code ec) {
        if (ec) return;
        compare();
        compare_later();
    });
}

// Notifications are lost where the kernel has no memory for them, and what changed the rules may not send any.
void ruleset_keeper::compare()
{
    if (!stands_) return; // is being put back already
    const auto read = nft::read_identity();
    if (!read && read.error() == errc::need_more) return; // rulesets are changed all the time, and that is told
    if (read && installed_ && *read == *installed_) return;
    tell("the ruleset is not what was installed" + put_back());
}

void ruleset_keeper::wait()
{
    events_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code ec) {
        if (ec) return;
        look();
        wait();
    });
}

void ruleset_keeper::look()
{
    const auto change = watch_.take();
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
        nft::install_ruleset(netfilter_, make_);
        note_identity();
        stands_ = true;
        return ", and put back";
    }
    catch (const nft::sealed_network_error& e) {
        stands_ = false;
        retry_.expires_after(retry_interval);
        retry_.async_wait([this](boost::system::error_code ec) {
            if (!ec) put_back();
        });
        return std::string(", and can't be put back: ") + e.what();
    }
}

void ruleset_keeper::tell_later()
{
    teller_.expires_at(told_ + alert_interval); // the first at once
    teller_.async_wait([this](boost::system::error_code ec) {
        if (ec) return;
        told_ = std::chrono::steady_clock::now();
        const auto count = std::exchange(changes_, 0U);
        alert_(last_ + (count > 1 ? "; " + std::to_string(count) + " changes" : ""));
    });
}

} // namespace cofferdam::gateway
