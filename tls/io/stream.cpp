#include "tls/io/stream.hpp"

#include "core/error.hpp"
#include "core/io/coroutine.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <fcntl.h>
#include <memory>

namespace cofferdam::tls {

namespace asio = boost::asio;
using asio::awaitable;

namespace {

constexpr std::size_t drain_size = 4096;
constexpr unsigned splice_flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

/// What the timer of async_shutdown may touch: nothing once the operation is over, though it may still be queued then.
struct patience_over {
    stream* target;
    bool expired = false;
};

} // namespace

stream::stream(socket_type socket) : socket_(std::move(socket))
{
    error_code ignored;
    socket_.non_blocking(true, ignored); // not only native: Asio's own calls would poll(2) and block
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

void stream::close() noexcept
{
    error_code ignored;
    socket_.close(ignored);
}

awaitable<error_code> stream::wait(asio::socket_base::wait_type what)
{
    burst_ = 0;
    error_code failure;
    if (!socket_.is_open()) co_return error_code(asio::error::operation_aborted);
    co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, failure));
    if (!failure && !socket_.is_open()) failure = asio::error::operation_aborted;
    co_return failure;
}

awaitable<void> stream::turn()
{
    burst_ = 0;
    co_await asio::post(socket_.get_executor(), asio::use_awaitable);
}

awaitable<transfer> stream::async_read_some(std::span<std::uint8_t> into)
{
    transfer out;
    if (turn_is_over()) co_await turn();
    for (;;) {
        const auto blocked_by = read_now(into, out);
        if (out.error != asio::error::would_block) co_return out;
        out.error = co_await wait(blocked_by);
        if (out.error) co_return out;
    }
}

awaitable<transfer> stream::async_read(read_buffer& into, expect what)
{
    transfer out;
    auto blocked_by = asio::socket_base::wait_read;
    bool waits = what == expect::silence && !has_pending() && socket_.is_open();
    if (!waits && turn_is_over()) co_await turn();
    for (;; waits = true) {
        if (waits) {
            into.rest();
            burst_ = 0; // as wait(), without a coroutine of its own
            co_await socket_.async_wait(blocked_by, asio::redirect_error(asio::use_awaitable, out.error));
            if (!out.error && !socket_.is_open()) out.error = asio::error::operation_aborted;
            if (out.error) co_return out;
        }
        blocked_by = read_now(into.room(), out);
        into.commit(out.transferred);
        if (out.error != asio::error::would_block) co_return out;
    }
}

awaitable<error_code> stream::async_shutdown(std::chrono::milliseconds patience)
{
    const auto shared = std::make_shared<patience_over>();
    shared->target = this;
    asio::steady_timer timer(socket_.get_executor(), patience);
    auto on_expiry = [shared](const error_code& cancelled) {
        if (cancelled || !shared->target) return;
        shared->expired = true;
        shared->target->close();
    };
    timer.async_wait(std::move(on_expiry));

    auto failure = co_await async_shutdown_write();
    std::array<std::uint8_t, drain_size> thrown_away;
    while (!failure && !shared->expired) {
        const std::span<std::uint8_t> into(thrown_away);
        const auto got = co_await async_read_some(into);
        failure = got.error;
    }
    shared->target = nullptr;
    close();
    if (shared->expired) co_return make_error_code(errc::timed_out);
    co_return failure == errc::closed ? error_code() : failure;
}

asio::socket_base::wait_type plain_stream::read_now(std::span<std::uint8_t> into, transfer& out)
{
    out.transferred = socket_.read_some(asio::buffer(into.data(), into.size()), out.error);
    if (out.error == asio::error::eof) out.error = errc::closed;
    if (out.error == asio::error::bad_descriptor) out.error = asio::error::operation_aborted;
    return asio::socket_base::wait_read;
}

awaitable<transfer> plain_stream::async_write(byte_view from)
{
    transfer out;
    if (turn_is_over()) co_await turn();
    while (out.transferred < from.size()) {
        const auto rest = from.subspan(out.transferred);
        out.transferred += socket_.write_some(asio::buffer(rest.data(), rest.size()), out.error);
        if (!out.error) continue;
        if (out.error == asio::error::bad_descriptor) out.error = asio::error::operation_aborted;
        if (out.error != asio::error::would_block) co_return out;
        out.error = co_await wait(asio::socket_base::wait_write);
        if (out.error) co_return out;
    }
    co_return out;
}

awaitable<transfer> plain_stream::async_splice_to(int pipe, std::size_t most)
{
    transfer out;
    if (turn_is_over()) co_await turn();
    for (;;) {
        if (!is_open()) {
            out.error = asio::error::operation_aborted;
            co_return out;
        }
        const auto moved = ::splice(socket_.native_handle(), nullptr, pipe, nullptr, most, splice_flags);
        if (moved > 0) {
            out.transferred = static_cast<std::size_t>(moved);
            co_return out;
        }
        if (moved == 0)
            out.error = errc::closed;
        else if (errno == EAGAIN)
            out.error = co_await wait(asio::socket_base::wait_read);
        else if (errno != EINTR)
            out.error = error_code(errno, boost::system::system_category());
        if (out.error) co_return out;
    }
}

awaitable<transfer> plain_stream::async_splice_from(int pipe, std::size_t size)
{
    transfer out;
    if (turn_is_over()) co_await turn();
    while (out.transferred < size) {
        if (!is_open()) {
            out.error = asio::error::operation_aborted;
            co_return out;
        }
        const auto moved = ::splice(pipe, nullptr, socket_.native_handle(), nullptr, size - out.transferred, splice_flags);
        if (moved >= 0)
            out.transferred += static_cast<std::size_t>(moved);
        else if (errno == EAGAIN)
            out.error = co_await wait(asio::socket_base::wait_write);
        else if (errno != EINTR)
            out.error = error_code(errno, boost::system::system_category());
        if (out.error) co_return out;
    }
    co_return out;
}

bool plain_stream::is_quiet() noexcept
{
    if (!is_open()) return false;
    std::uint8_t byte = 0;
    return ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

awaitable<error_code> plain_stream::async_shutdown_write()
{
    error_code failure;
    socket_.shutdown(asio::socket_base::shutdown_send, failure);
    co_return failure;
}

} // namespace cofferdam::tls
