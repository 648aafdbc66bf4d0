#include "gateway/attachment.hpp"

#include "gateway/refused_packets.hpp"

#include <boost/asio/post.hpp>
#include <exception>
#include <future>

namespace cofferdam::gateway {
namespace {

nft::ruleset rules(nft::queue_encoding queueing)
{
    auto options = nft::attached_options();
    options.queueing = queueing;
    return nft::local_ruleset(options);
}

/// One listener among places for each loop.
std::vector<nft::descriptor> on_loop(std::vector<nft::descriptor>& listener, std::size_t loop, std::size_t loops)
{
    std::vector<nft::descriptor> out(listener.empty() ? 0 : loops);
    if (!out.empty()) out.at(loop) = std::move(listener.front());
    return out;
}

/// Calls `what` on the loop's thread, and waits for it.
void run_on(event_loop& loop, const std::function<void()>& what)
{
    std::promise<void> done;
    boost::asio::post(loop.context(), [&] {
        try {
            what();
            done.set_value();
        }
        catch (...) {
            done.set_exception(std::current_exception());
        }
    });
    done.get_future().get();
}

} // namespace

attachment::attachment(nft::attached_sockets sockets, std::string name)
    : name_(std::move(name)), network_(nft::network_of(sockets.netfilter.number()).value()), sockets_(std::move(sockets)),
      answers_(std::make_shared<answer_sender>(std::move(sockets_.captured.answers_v4), std::move(sockets_.captured.answers_v6)))
{
}

attachment::~attachment()
{
    close();
}

packet_sender attachment::sender() const
{
    return [answers = answers_](byte_view packet, const ip_address& to) { answers->send(packet, to); };
}

void attachment::open(shared_job job, surroundings around)
{
    keeping_ = &around.keeping;
    loops_ = &around.loops;
    nft::netlink_socket netfilter(std::move(sockets_.netfilter));
    nft::ruleset_watch watch(std::move(sockets_.notifications), netfilter);
    nft::ruleset_sockets ruleset{std::move(netfilter), std::move(watch)};
    keeper_ = std::make_shared<ruleset_keeper>(around.keeping, rules, around.ruleset_check, std::move(around.alert),
                                               std::move(ruleset));
    keeper_->install(); // closed until there is an entrance

    jobs_ = std::make_unique<job_table>(job);
    entrance_sockets given{std::move(sockets_.captured), {}};
    const auto loop = static_cast<std::size_t>(network_ % loops_->size());
    given.captured.streams_v4 = on_loop(given.captured.streams_v4, loop, loops_->size());
    given.captured.streams_v6 = on_loop(given.captured.streams_v6, loop, loops_->size());
    auto log = std::exchange(given.captured.log, nft::descriptor());
    run_on(*loops_->front(), [&] {
        end_log_ = record_refused_packets(job->engine->on(0), std::move(log));
        entrance_ = std::make_unique<entrance>(*jobs_, *loops_, std::move(given), nft::attached_options().first_queue);
    });
    entrance_->start();
}

void attachment::close()
{
    if (entrance_) entrance_->stop();
    close_log();
    if (!keeper_) return;
    // It ends where it runs, and with it what holds the namespace.
    boost::asio::post(*keeping_, [keeper = std::exchange(keeper_, nullptr)] { (void)keeper; });
}

void attachment::close_log()
{
    if (end_log_ && !loops_->empty()) boost::asio::post(loops_->front()->context(), std::exchange(end_log_, nullptr));
}

} // namespace cofferdam::gateway
