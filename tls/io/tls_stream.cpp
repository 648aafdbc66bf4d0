#include "core/error.hpp"
#include "tls/io/stream.hpp"
#include "tls/openssl_error.hpp"

#include <boost/asio/error.hpp>
#include <cerrno>
#include <new>
#include <openssl/err.h>
#include <sys/socket.h>

namespace cofferdam::tls {

namespace asio = boost::asio;
using asio::awaitable;

tls_stream::tls_stream(socket_type socket, ssl_ptr connection) : stream(std::move(socket)), ssl_(std::move(connection))
{
    if (SSL_set_fd(ssl_.get(), socket_.native_handle()) != 1) throw std::bad_alloc();
    if (SSL_is_server(ssl_.get())) {
        SSL_set_msg_callback(ssl_.get(), note_message);
        SSL_set_msg_callback_arg(ssl_.get(), this);
    }
}

tls_stream::~tls_stream() = default;

void tls_stream::note_message(int sent, int, int type, const void* bytes, std::size_t size, SSL*, void* self)
{
    if (!sent || type != SSL3_RT_HANDSHAKE || size == 0) return;
    if (*static_cast<const unsigned char*>(bytes) == SSL3_MT_CERTIFICATE) static_cast<tls_stream*>(self)->leaf_sent_ = true;
}

tls_stream::step tls_stream::classify(int returned, error_code& failure) noexcept
{
    const int system = errno;
    switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_NONE: return step::done;
    case SSL_ERROR_WANT_READ: return step::wait_read;
    case SSL_ERROR_WANT_WRITE: return step::wait_write;
    case SSL_ERROR_ZERO_RETURN: failure = errc::closed; break;
    case SSL_ERROR_SYSCALL:
        broken_ = true;
        failure = system != 0 ? error_code(system, boost::system::system_category()) : make_error_code(stream_errc::truncated);
        ERR_clear_error();
        break;
    default:
        broken_ = true;
        failure = take_openssl_error();
        break;
    }
    failure = refine(failure);
    return step::failed;
}

error_code tls_stream::refine(const error_code& failure) const noexcept
{
    if (!leaf_sent_ || heard_) return failure;
    if (is_certificate_alert(failure)) return stream_errc::client_rejected_leaf;
    const bool gone = failure == errc::closed || failure == stream_errc::truncated || failure == asio::error::connection_reset ||
                      failure == asio::error::broken_pipe;
    return gone ? make_error_code(stream_errc::closed_after_leaf) : failure;
}

awaitable<error_code> tls_stream::until_ready(step next)
{
    return wait(next == step::wait_read ? asio::socket_base::wait_read : asio::socket_base::wait_write);
}

awaitable<error_code> tls_stream::async_handshake()
{
    if (turn_is_over()) co_await turn();
    for (;;) {
        // A closed socket's number may already belong to another connection: no SSL_* call without a look.
        if (!is_open()) co_return error_code(asio::error::operation_aborted);
        ERR_clear_error();
        errno = 0;
        error_code failure;
        const auto next = classify(SSL_do_handshake(ssl_.get()), failure);
        if (next == step::done) break;
        if (next == step::failed) co_return failure;
        failure = co_await until_ready(next);
        if (failure) co_return failure;
    }
    SSL_set_msg_callback(ssl_.get(), nullptr); // it would be called for each record
    co_return error_code();
}

asio::socket_base::wait_type tls_stream::read_now(std::span<std::uint8_t> into, transfer& out)
{
    out = {std::exchange(next_read_fails_, error_code()), 0};
    auto next = out.error ? step::failed : step::done;
    // OpenSSL gives out one record a call; take what it has already read of the next ones too.
    while (next == step::done && out.transferred < into.size()) {
        if (!is_open()) {
            out.error = asio::error::operation_aborted;
            next = step::failed;
            break;
        }
        ERR_clear_error();
        errno = 0;
        std::size_t got = 0;
        const auto rest = into.subspan(out.transferred);
        next = classify(SSL_read_ex(ssl_.get(), rest.data(), rest.size(), &got), out.error);
        if (next != step::done) break;
        out.transferred += got;
        heard_ = true;
        if (SSL_has_pending(ssl_.get()) == 0) break;
    }
    if (out.transferred > 0)
        next_read_fails_ = std::exchange(out.error, error_code());
    else if (next != step::failed)
        out.error = asio::error::would_block;
    return next == step::wait_write ? asio::socket_base::wait_write : asio::socket_base::wait_read;
}

awaitable<transfer> tls_stream::async_write(byte_view from)
{
    transfer out;
    if (turn_is_over()) co_await turn();
    while (out.transferred < from.size()) {
        if (!is_open()) {
            out.error = asio::error::operation_aborted;
            co_return out;
        }
        ERR_clear_error();
        errno = 0;
        std::size_t put = 0;
        const auto rest = from.subspan(out.transferred);
        const auto next = classify(SSL_write_ex(ssl_.get(), rest.data(), rest.size(), &put), out.error);
        if (next == step::failed) co_return out;
        if (next == step::done) {
            out.transferred += put;
            continue;
        }
        out.error = co_await until_ready(next);
        if (out.error) co_return out;
    }
    co_return out;
}

bool tls_stream::has_pending() const noexcept
{
    return next_read_fails_ || SSL_has_pending(ssl_.get()) != 0;
}

bool tls_stream::is_quiet() noexcept
{
    if (!is_open() || broken_ || next_read_fails_) return false;
    std::uint8_t waiting = 0;
    const auto seen = ::recv(socket_.native_handle(), &waiting, 1, MSG_PEEK | MSG_DONTWAIT);
    if (seen == 0) return false;
    if (seen < 0 && SSL_has_pending(ssl_.get()) == 0) return errno == EAGAIN;
    ERR_clear_error();
    errno = 0;
    std::uint8_t byte = 0;
    std::size_t got = 0;
    error_code ignored;
    return classify(SSL_peek_ex(ssl_.get(), &byte, 1, &got), ignored) == step::wait_read;
}

awaitable<error_code> tls_stream::async_shutdown_write()
{
    error_code failure;
    while (!broken_ && SSL_is_init_finished(ssl_.get())) {
        if (!is_open()) co_return error_code(asio::error::operation_aborted);
        ERR_clear_error();
        errno = 0;
        const int returned = SSL_shutdown(ssl_.get());
        if (returned >= 0) break; // 0: ours is sent, the peer's has not come, which is for reads to find out
        const auto next = classify(returned, failure);
        if (next == step::failed) co_return failure;
        failure = co_await until_ready(next);
        if (failure) co_return failure;
    }
    socket_.shutdown(asio::socket_base::shutdown_send, failure);
    co_return failure;
}

} // namespace cofferdam::tls
