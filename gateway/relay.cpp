#include "gateway/relay.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/flow.hpp"
#include "gateway/spawn.hpp"
#include "nft/io/descriptor.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <linux/sockios.h>
#include <memory>
#include <sys/ioctl.h>
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

enum class party : std::uint8_t { client, server };

// Whoever closes with bytes unread resets (PostgreSQL and its clients: the last words of TLS), and that may overtake the other's
// end. So much time has a client to end by itself, and to take what is on its way to it, before it is told that the server is
// gone.
constexpr std::chrono::milliseconds end_grace{100};
constexpr std::chrono::milliseconds end_poll{2};

// How a relay has ended so far.
class relay_end {
public:
    explicit relay_end(asio::io_context& context) : up_over_(context, std::chrono::steady_clock::time_point::max()) {}

    // `who` will send no more, in good order.
    void ended(party who) noexcept { (who == party::client ? client_ended_ : server_ended_) = true; }
    // `who` is gone.
    void broke(party who) noexcept { (who == party::client ? client_broke_ : server_broke_) = true; }
    // Something that was read can't be given to the server any more: that is what is told, however the client ends.
    void lost() noexcept
    {
        lost_ = true;
        broke(party::server);
        settle();
    }
    bool is_broken() const noexcept { return client_broke_ || server_broke_; }
    // What happens from now on is our own doing.
    void settle() noexcept
    {
        if (settled_) return;
        settled_ = true;
        if ((client_ended_ || server_ended_) && !lost_) return;
        why_ = client_broke_ && !lost_ ? reason::client_closed : server_broke_ ? reason::upstream_closed : reason::completed;
    }
    reason why() const noexcept { return why_; }

    void up_is_over()
    {
        up_done_ = true;
        up_over_.cancel();
    }
    bool is_up_over() const noexcept { return up_done_; }
    // Never expires by itself; cancelled when the direction job -> world is over.
    asio::steady_timer& up_over() noexcept { return up_over_; }

private:
    asio::steady_timer up_over_;
    bool client_ended_ = false, server_ended_ = false, client_broke_ = false, server_broke_ = false;
    bool lost_ = false, settled_ = false, up_done_ = false;
    reason why_ = reason::completed;
};

// Job -> world. An end is passed on as one; what breaks must not look like an end, so it is passed on as a reset.
template <class Mover, class Stream>
asio::awaitable<void> pump_up(flow& owner, Mover& mover, Stream& client, Stream& server, std::uint64_t& count, relay_end& end)
{
    for (;;) {
        const auto got = co_await mover.take(client);
        if (got.error == errc::closed) {
            end.ended(party::client);
            co_await server.async_shutdown_write();
            co_return;
        }
        if (got.error) {
            end.broke(party::client);
            reset_connection(server.socket());
            co_return;
        }
        owner.arm(owner.job().settings().limits.stream_idle_timeout);
        const auto written = co_await mover.give(server, got.transferred);
        count += written.transferred;
        if (written.error) {
            end.lost();
            error_code ignored; // what the server said before it went is still passed on, and then the other direction ends
            server.socket().shutdown(asio::socket_base::shutdown_receive, ignored);
            co_return;
        }
    }
}

// False while something is on its way to the socket's peer: a reset would throw it away.
bool is_taken(tcp::socket& socket) noexcept
{
    int left = 0;
    return !socket.is_open() || ::ioctl(socket.native_handle(), SIOCOUTQ, &left) != 0 || left == 0;
}

asio::awaitable<void> grace(tcp::socket& client, const relay_end& end)
{
    const auto limit = std::chrono::steady_clock::now() + end_grace;
    asio::steady_timer pause(client.get_executor());
    while (std::chrono::steady_clock::now() < limit && !(end.is_up_over() && is_taken(client))) {
        pause.expires_after(end_poll);
        co_await pause.async_wait(use_tuple);
    }
}

// World -> job; ends both where one is gone.
template <class Mover, class Stream>
asio::awaitable<void> pump_down(flow& owner, Mover& mover, Stream& server, Stream& client, std::uint64_t& count, relay_end& end)
{
    for (;;) {
        const auto got = co_await mover.take(server);
        if (got.error == errc::closed && !end.is_broken()) {
            end.ended(party::server);
            co_await client.async_shutdown_write();
            co_return;
        }
        if (got.error) {
            end.broke(party::server);
            co_await grace(client.socket(), end);
            break;
        }
        owner.arm(owner.job().settings().limits.stream_idle_timeout);
        const auto written = co_await mover.give(client, got.transferred);
        count += written.transferred;
        if (written.error) {
            end.broke(party::client);
            break;
        }
    }
    end.settle();
    reset_connection(client.socket());
    reset_connection(server.socket());
}

struct end_guard {
    explicit end_guard(relay_end& guarded) : end(guarded) {}
    ~end_guard() { end.up_is_over(); }
    end_guard(const end_guard&) = delete;
    end_guard& operator=(const end_guard&) = delete;
    relay_end& end;
};

template <class Mover, class Stream>
asio::awaitable<void> pump_aside(std::shared_ptr<flow> owner, Mover& mover, Stream& client, Stream& server, std::uint64_t& count,
                                 std::shared_ptr<relay_end> end)
{
    const end_guard guard(*end);
    try {
        co_await pump_up(*owner, mover, client, server, count, *end);
    }
    catch (...) { // no memory
        end->lost();
        reset_connection(server.socket());
        throw;
    }
}

template <class Mover, class Stream>
asio::awaitable<relay_totals> relay_with(flow& owner, Mover& up, Mover& down, Stream& downstream, Stream& upstream)
{
    relay_totals totals;
    owner.begin_relay();
    owner.arm(owner.job().settings().limits.stream_idle_timeout);
    auto end = std::make_shared<relay_end>(owner.home().context());
    spawn_counted(owner.home().context(), owner.job(),
                  pump_aside(owner.shared_from_this(), up, downstream, upstream, totals.sent, end));
    std::exception_ptr failure;
    try {
        co_await pump_down(owner, down, upstream, downstream, totals.received, *end);
    }
    catch (...) {
        failure = std::current_exception();
        reset_connection(downstream.socket());
        reset_connection(upstream.socket());
    }
    // The client may still be sending; but once the server has ended, it has until the idle time-out.
    while (!end->is_up_over()) co_await end->up_over().async_wait(use_tuple);
    end->settle();
    if (failure) std::rethrow_exception(failure);
    totals.why = owner.expired() ? reason::upstream_timed_out : end->why();
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
