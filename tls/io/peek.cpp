#include "tls/io/peek.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <poll.h>

namespace cofferdam::tls {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;

namespace {

/// A typical hello, post-quantum key share included, fits.
constexpr std::size_t first_look = 2048;
/// The kernel may wake a reader below SO_RCVLOWAT when it is short of memory: look again after this time.
constexpr std::chrono::milliseconds short_of_memory{10};

bool peer_has_ended(tcp::socket& socket)
{
    pollfd state{socket.native_handle(), POLLRDHUP, 0};
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void wake_at(tcp::socket& socket, std::size_t bytes)
{
    error_code ignored;
    socket.set_option(asio::socket_base::receive_low_watermark(static_cast<int>(bytes)), ignored);
}

/// Peeks until the parser has an answer.
awaitable<result<client_hello>> look(tcp::socket& socket, std::size_t max)
{
    std::vector<std::uint8_t> seen(std::min(first_look, max));
    std::size_t size = 0;
    for (;;) {
        error_code failure;
        co_await socket.async_wait(tcp::socket::wait_read, asio::redirect_error(asio::use_awaitable, failure));
        if (failure) co_return failure;
        const auto got = socket.receive(asio::buffer(seen.data(), seen.size()), asio::socket_base::message_peek, failure);
        if (failure == asio::error::would_block) continue;
        if (failure == asio::error::eof) co_return errc::closed;
        if (failure) co_return failure;
        auto hello = parse_client_hello(byte_view(seen).first(got), max);
        if (hello || hello.error() != errc::need_more) co_return hello;

        const auto wanted = std::min(client_hello_wants(byte_view(seen).first(got)), max);
        if (got == size) {
            if (peer_has_ended(socket)) co_return errc::closed;
            asio::steady_timer pause(socket.get_executor(), short_of_memory);
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failure));
        }
        size = got;
        if (wanted > seen.size() || got == seen.size()) seen.resize(std::min(std::max(wanted, 2 * seen.size()), max));
        wake_at(socket, wanted);
    }
}

} // namespace

awaitable<result<client_hello>> async_peek_client_hello(tcp::socket& socket, std::size_t max)
{
    error_code failure;
    socket.non_blocking(true, failure);
    if (failure) co_return failure;
    auto hello = co_await look(socket, max);
    wake_at(socket, 1);
    co_return hello;
}

} // namespace cofferdam::tls
