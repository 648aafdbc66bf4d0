#pragma once

#include "core/bytes.hpp"
#include "core/io/coroutine.hpp"
#include "core/read_buffer.hpp"
#include "tls/openssl.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace cofferdam::tls {

/// Operations in a row that may finish without waiting before a stream lets the other coroutines of its thread run.
inline constexpr unsigned max_burst = 32;

/// What a reader knows: bytes may be there already; or most likely not yet, so that it saves time to wait before looking.
enum class expect : std::uint8_t { bytes, silence };

/// How a transfer ended: `transferred` bytes, and then `error` if it is set.
struct transfer {
    error_code error;
    std::size_t transferred = 0;
};

/// A connection as the protocols above see it: plain or TLS, towards the job or the origin. It owns its socket and belongs
/// to one thread. One read and one write may be under way at the same time, not more of either. Operations have no
/// time-out of their own: whoever supervises the connection calls close(), and they end with operation_aborted. The
/// object, and the memory given to an operation, must live until the operation has ended. The process must ignore SIGPIPE.
///
/// Errors of reads: errc::closed for a proper end (FIN; close_notify), stream_errc (tls/openssl_error.hpp), the system's
/// and OpenSSL's codes otherwise.
class stream {
public:
    using socket_type = boost::asio::ip::tcp::socket;

    virtual ~stream() = default;
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    /// At least one byte, or an error and none.
    boost::asio::awaitable<transfer> async_read_some(std::span<std::uint8_t> into);
    /// The same, behind what `into` holds; it has no memory of its own while this waits with nothing in it.
    boost::asio::awaitable<transfer> async_read(read_buffer& into, expect what = expect::bytes);
    /// All of `from`, or an error and how many of them were taken over.
    virtual boost::asio::awaitable<transfer> async_write(byte_view from) = 0;
    /// Says that no more will be written (close_notify and FIN); reading goes on.
    virtual boost::asio::awaitable<error_code> async_shutdown_write() = 0;

    /// Between two messages: false if the peer has ended the connection, or sent something that a read would give. To be asked
    /// only while no operation is under way.
    virtual bool is_quiet() noexcept = 0;

    /// Shuts down, then throws away what still arrives until the peer has closed too or `patience` is over, so that what
    /// was written last is not lost to a reset (RFC 9112 9.6); then closes. errc::timed_out if the peer did not close.
    boost::asio::awaitable<error_code> async_shutdown(std::chrono::milliseconds patience);

    /// At once and without a word; pending operations end. Any number of times.
    void close() noexcept;
    bool is_open() const noexcept { return socket_.is_open(); }
    socket_type& socket() noexcept { return socket_; }

protected:
    /// Takes the connected socket over; makes it non-blocking and switches Nagle's algorithm off.
    explicit stream(socket_type socket);

    /// A read that does not wait: would_block, and what to wait for, if there is nothing.
    virtual boost::asio::socket_base::wait_type read_now(std::span<std::uint8_t> into, transfer& out) = 0;
    /// Bytes, or an error, have been taken from the socket and not been given out.
    virtual bool has_pending() const noexcept { return false; }
    boost::asio::awaitable<error_code> wait(boost::asio::socket_base::wait_type what);
    /// Ask once an operation. True every max_burst operations that did not wait: then await turn() first.
    bool turn_is_over() noexcept { return ++burst_ > max_burst; }
    boost::asio::awaitable<void> turn();

    socket_type socket_;

private:
    unsigned burst_ = 0;
};

/// TCP as it is.
class plain_stream final : public stream {
public:
    explicit plain_stream(socket_type socket) : stream(std::move(socket)) {}

    /// As async_read_some and async_write, but between the socket and a pipe, without a copy to user space (splice(2)).
    /// The pipe is non-blocking and the caller's; what it takes in is at most `most` bytes, and it must be empty before.
    boost::asio::awaitable<transfer> async_splice_to(int pipe, std::size_t most);
    /// Takes exactly `size` bytes, which must be in the pipe.
    boost::asio::awaitable<transfer> async_splice_from(int pipe, std::size_t size);

    boost::asio::awaitable<transfer> async_write(byte_view from) override;
    boost::asio::awaitable<error_code> async_shutdown_write() override;
    bool is_quiet() noexcept override;

private:
    boost::asio::socket_base::wait_type read_now(std::span<std::uint8_t> into, transfer& out) override;
};

/// TLS whose SSL reads and writes the socket itself (no memory pair), so that kernel TLS stays possible. A client that checks
/// certificates only after the handshake is told by the first read: client_rejected_leaf or closed_after_leaf. FIN without
/// close_notify: stream_errc::truncated.
class tls_stream final : public stream {
public:
    /// `connection` is configured and in accept or connect state. Throws std::bad_alloc.
    tls_stream(socket_type socket, ssl_ptr connection);
    ~tls_stream() override;

    /// Towards the job: stream_errc::client_rejected_leaf if the client sent a certificate alert, closed_after_leaf if it
    /// just went away once it had our leaf. Towards an origin: explain_failure() (tls/upstream.hpp) has the words.
    boost::asio::awaitable<error_code> async_handshake();

    boost::asio::awaitable<transfer> async_write(byte_view from) override;
    boost::asio::awaitable<error_code> async_shutdown_write() override;
    /// Takes in what is for TLS alone, such as tickets.
    bool is_quiet() noexcept override;

    SSL& native() const noexcept { return *ssl_; }

private:
    /// What an SSL_* call left to do.
    enum class step { done, wait_read, wait_write, failed };

    boost::asio::socket_base::wait_type read_now(std::span<std::uint8_t> into, transfer& out) override;
    bool has_pending() const noexcept override;
    step classify(int returned, error_code& failure) noexcept;
    error_code refine(const error_code& failure) const noexcept;
    boost::asio::awaitable<error_code> until_ready(step next);
    static void note_message(int sent, int version, int type, const void* bytes, std::size_t size, SSL* ssl, void* self);

    ssl_ptr ssl_;
    error_code next_read_fails_; ///< found behind bytes that were still to be delivered
    bool leaf_sent_ = false;     ///< we are the server and our certificate is on its way
    bool heard_ = false;         ///< application bytes have arrived
    bool broken_ = false;        ///< a fatal error happened: SSL_shutdown(3) must not be called
};

} // namespace cofferdam::tls
