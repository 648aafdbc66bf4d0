#include "gateway/relay.hpp"

#include "gateway/flow.hpp"
#include "gateway/spawn.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <vector>

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t block = 32768;

// One direction. Ends the write side of `to` when `from` ends.
asio::awaitable<reason> pump(flow& owner, tls::stream& from, tls::stream& to, std::uint64_t& count, reason on_error)
{
    std::vector<std::uint8_t> buffer(block);
    for (;;) {
        const auto got = co_await from.async_read_some(buffer);
        if (got.error) {
            // A direction that broke must not look like one that ended.
            if (got.error == errc::closed)
                co_await to.async_shutdown_write();
            else
                reset_connection(to.socket());
            co_return got.error == errc::closed ? reason::completed : on_error;
        }
        owner.arm(owner.job().settings().limits.stream_idle_timeout);
        const byte_view bytes(buffer.data(), got.transferred);
        const auto written = co_await to.async_write(bytes);
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

asio::awaitable<void> pump_aside(std::shared_ptr<flow> owner, tls::stream& from, tls::stream& to, std::uint64_t& count,
                                 std::shared_ptr<other_direction> state)
{
    const end_guard guard(*state);
    state->why = co_await pump(*owner, from, to, count, reason::client_closed);
}

} // namespace

asio::awaitable<relay_totals> relay(flow& owner, tls::stream& downstream, tls::stream& upstream)
{
    relay_totals totals;
    owner.arm(owner.job().settings().limits.stream_idle_timeout);
    auto state = std::make_shared<other_direction>(owner.home().context());
    spawn_counted(owner.home().context(), owner.job(),
                  pump_aside(owner.shared_from_this(), downstream, upstream, totals.sent, state));
    std::exception_ptr failure;
    try {
        totals.why = co_await pump(owner, upstream, downstream, totals.received, reason::upstream_closed);
    }
    catch (...) {
        failure = std::current_exception();
        downstream.close();
        upstream.close();
    }
    // The client may still be sending; but once the server has ended, it has until the idle time-out.
    while (!state->done) co_await state->finished.async_wait(use_tuple);
    if (failure) std::rethrow_exception(failure);
    if (owner.expired()) totals.why = reason::upstream_timed_out;
    co_return totals;
}

} // namespace cofferdam::gateway
