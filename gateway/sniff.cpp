#include "gateway/sniff.hpp"

#include "core/io/coroutine.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <poll.h>
#include <vector>

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds recheck_pause{2};

// What is started and never ends: a line of text is left to the strict HTTP parser and its own time-out.
first_bytes unfinished(std::uint8_t first) noexcept
{
    return first == 0x16 ? first_bytes::bad_tls : first_bytes::http;
}

// How much more to wait for when `have` bytes are not enough.
std::size_t next_target(byte_view bytes) noexcept
{
    const bool tls = !bytes.empty() && bytes[0] == 0x16;
    return tls ? tls::client_hello_wants(bytes) : bytes.size() + 1;
}

// The verdict on the peeked bytes; nothing while more are needed.
std::optional<sniffed> judge(classifier& known, byte_view bytes, std::size_t max_client_hello)
{
    const auto kind = known.look(as_text(bytes));
    if (!kind) return std::nullopt;
    if (*kind != first_bytes::tls) return sniffed{*kind, {}};
    auto hello = tls::parse_client_hello(bytes, max_client_hello);
    if (hello) return sniffed{first_bytes::tls, std::move(*hello)};
    if (hello.error() == errc::need_more) return std::nullopt;
    return sniffed{hello.error() == errc::unsupported ? first_bytes::opaque : first_bytes::bad_tls, {}};
}

} // namespace

asio::awaitable<wait_result> wait_for_bytes(tcp::socket& socket, std::size_t wanted, std::chrono::milliseconds limit)
{
    const int low_water = static_cast<int>(wanted);
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water);
    struct state {
        bool open = true;
        bool timed_out = false;
    };
    const auto shared = std::make_shared<state>();
    asio::steady_timer timer(socket.get_executor(), limit);
    auto on_time_out = [shared, &socket](error_code ec) {
        if (ec || !shared->open) return;
        shared->timed_out = true;
        boost::system::error_code ignored;
        socket.cancel(ignored);
    };
    timer.async_wait(std::move(on_time_out));
    auto [ec] = co_await socket.async_wait(tcp::socket::wait_read, use_tuple);
    shared->open = false;
    timer.cancel();
    const int one = 1;
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
    if (shared->timed_out && ec) co_return wait_result::timed_out;
    co_return ec ? wait_result::failed : wait_result::ready;
}

bool is_half_closed(tcp::socket& socket) noexcept
{
    pollfd state{socket.native_handle(), POLLRDHUP, 0};
    return ::poll(&state, 1, 0) != 0;
}

asio::awaitable<sniffed> sniff(tcp::socket& socket, std::size_t max_client_hello, std::chrono::milliseconds patience,
                               std::chrono::milliseconds limit)
{
    const auto until = std::chrono::steady_clock::now() + patience + limit;
    std::vector<std::uint8_t> bytes(4096);
    std::size_t have = 0;
    classifier known;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        const auto patience_now = have == 0 ? patience : std::max(left, std::chrono::milliseconds(1));
        const auto waited = co_await wait_for_bytes(socket, next_target(byte_view(bytes.data(), have)), patience_now);
        if (waited == wait_result::failed) co_return sniffed{};
        if (waited == wait_result::timed_out) {
            if (have == 0) co_return sniffed{first_bytes::silent, {}};
            co_return sniffed{unfinished(bytes[0]), {}};
        }
        const auto count = ::recv(socket.native_handle(), bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (count <= 0) co_return sniffed{};
        const auto size = static_cast<std::size_t>(count);
        auto verdict = judge(known, byte_view(bytes.data(), size), max_client_hello);
        if (verdict) co_return std::move(*verdict);
        if (size == have) {
            // After the client's FIN nothing can make a request of it any more.
            if (is_half_closed(socket)) co_return sniffed{bytes[0] == 0x16 ? first_bytes::bad_tls : first_bytes::opaque, {}};
            // The kernel may wake a reader below the low-water mark (a small receive window): look again, but do not spin.
            asio::steady_timer pause(socket.get_executor(), recheck_pause);
            co_await pause.async_wait(use_tuple);
        }
        have = size;
        if (size == bytes.size()) {
            if (bytes.size() > max_client_hello) co_return sniffed{first_bytes::bad_tls, {}};
            bytes.resize(bytes.size() * 2);
        }
    }
}

} // namespace cofferdam::gateway
