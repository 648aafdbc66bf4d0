#include "gateway/relay.hpp"

#include "gateway/flow.hpp"
#include "gateway/spawn.hpp"
#include "nft/io/descriptor.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <memory>
#include <unistd.h>
#include <vector>

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t copied_block = 32768;
constexpr std::size_t spliced_block = 65536; // a pipe's capacity (pipe(7))

/// Moves bytes through a block of memory: any two streams.
class copier {
public:
    asio::awaitable<tls::transfer> take(tls::stream& from)
    {
        const auto got = co_await from.async_read_some(block_);
        co_return got;
    }
    asio::awaitable<tls::transfer> give(tls::stream& to, std::size_t size)
    {
        const auto put = co_await to.async_write(byte_view(block_).first(size));
        co_return put;
    }

private:
    std::vector<std::uint8_t> block_ = std::vector<std::uint8_t>(copied_block);
};

/// Moves bytes through a pipe, inside the kernel: two sockets.
class splicer {
public:
    /// False where no pipe is to be had (RLIMIT_NOFILE, fs.pipe-user-pages-hard).
    bool open()
    {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) return false;
        out_ = nft::descriptor(ends[0]);
        in_ = nft::descriptor(ends[1]);
        return true;
    }
    asio::awaitable<tls::transfer> take(tls::plain_stream& from)
    {
        const auto got = co_await from.async_splice_to(in_.number(), spliced_block);
        co_return got;
    }
    asio::awaitable<tls::transfer> give(tls::plain_stream& to, std::size_t size)
    {
        const auto put = co_await to.async_splice_from(out_.number(), size);
        co_return put;
    }

private:
    nft::descriptor out_, in_;
};

// One direction. Ends the write side of `to` when `from` ends.
template <class Mover, class Stream>
asio::awaitable<reason> pump(flow& owner, Mover& mover, Stream& from, Stream& to, std::uint64_t& count, reason on_error)
{
    for (;;) {
        const auto got = co_await mover.take(from);
        if (got.error) {
            // A direction that broke must not look like one that ended.
            if (got.error == errc::closed)
                co_await to.async_shutdown_write();
            else
                reset_connection(to.socket());
            co_return got.error == errc::closed ? reason::completed : on_error;
        }
        owner.arm(owner.job().settings().limits.stream_idle_timeout);
        const auto written = co_await mover.give(to, got.transferred);
        count += written.transferred;
        if (written.error) {
            from.close(); // nobody is left to read for: the other direction ends too
            co_return reason::completed;
        }
    }
}

struct other_direction {
    explicit other_direction(asio::io_context& context) : finished(context, std::chrono::steady_clock::time_point::max()) {}
    asio::steady_timer finished;
    bool done = false;
    reason why = reason::completed;
};

struct end_guard {
    explicit end_guard(other_direction& guarded) : state(guarded) {}
    ~end_guard()
    {
        state.done = true;
        state.finished.cancel();
    }
    end_guard(const end_guard&) = delete;
    end_guard& operator=(const end_guard&) = delete;
    other_direction& state;
};

template <class Mover, class Stream>
asio::awaitable<void> pump_aside(std::shared_ptr<flow> owner, Mover& mover, Stream& from, Stream& to, std::uint64_t& count,
                                 std::shared_ptr<other_direction> state)
{
    const end_guard guard(*state);
    state->why = co_await pump(*owner, mover, from, to, count, reason::client_closed);
}

template <class Mover, class Stream>
asio::awaitable<relay_totals> relay_with(flow& owner, Mover& up, Mover& down, Stream& downstream, Stream& upstream)
{
    relay_totals totals;
    owner.arm(owner.job().settings().limits.stream_idle_timeout);
    auto state = std::make_shared<other_direction>(owner.home().context());
    spawn_counted(owner.home().context(), owner.job(),
                  pump_aside(owner.shared_from_this(), up, downstream, upstream, totals.sent, state));
    std::exception_ptr failure;
    try {
        totals.why = co_await pump(owner, down, upstream, downstream, totals.received, reason::upstream_closed);
    }
    catch (...) {
        failure = std::current_exception();
        downstream.close();
        upstream.close();
    }
    // Whoever reads no more of what a client sent last (PostgreSQL: the end of its TLS) resets; the client had ended before.
    if (state->done && state->why == reason::completed && totals.why == reason::upstream_closed) totals.why = reason::completed;
    // The client may still be sending; but once the server has ended, it has until the idle time-out.
    while (!state->done) co_await state->finished.async_wait(use_tuple);
    if (failure) std::rethrow_exception(failure);
    if (owner.expired()) totals.why = reason::upstream_timed_out;
    co_return totals;
}

} // namespace

asio::awaitable<relay_totals> relay(flow& owner, tls::stream& downstream, tls::stream& upstream)
{
    copier up, down;
    const relay_totals totals = co_await relay_with(owner, up, down, downstream, upstream);
    co_return totals;
}

asio::awaitable<relay_totals> relay(flow& owner, tls::plain_stream& downstream, tls::plain_stream& upstream)
{
    constexpr std::size_t places_of_pipes = 2; // four descriptors
    if (const auto places = owner.job().connections()->spare(places_of_pipes)) {
        splicer up, down;
        if (up.open() && down.open()) {
            const relay_totals totals = co_await relay_with(owner, up, down, downstream, upstream);
            co_return totals;
        }
    }
    const relay_totals copied = co_await relay(owner, static_cast<tls::stream&>(downstream), upstream);
    co_return copied;
}

} // namespace cofferdam::gateway
