#pragma once

#include "gateway/deadline.hpp"
#include "gateway/flow.hpp"
#include "http/h2_session.hpp"

#include <memory>
#include <string>
#include <vector>

namespace cofferdam::gateway {

/// One HTTP/2 connection with its stream: reads into the session, writes what the session has. Its owner keeps it alive while
/// the coroutines run.
class http2_connection {
public:
    http2_connection(std::shared_ptr<flow> owner, std::unique_ptr<tls::stream> stream, http::h2_session::role as,
                     http::h2_listener& listener, bool connect_protocol);

    http::h2_session& session() noexcept { return session_; }
    tls::stream& stream() noexcept { return *stream_; }

    /// Reads until the connection is over. `after` is called when a block was taken in. The error of the last read, if any.
    asio::awaitable<error_code> read(std::function<void()> after);
    /// Writes until the connection is over, or finish() was called and all is written. Run by a coroutine of its own.
    asio::awaitable<void> write();
    /// There may be something to write.
    void wake() noexcept { wake_.cancel(); }
    /// Waits until what is left was written, and the writer has ended.
    asio::awaitable<void> finish();
    /// As finish(), without waiting.
    void leave() noexcept;
    void close() noexcept;
    bool write_failed() const noexcept { return write_failed_; }

private:
    std::shared_ptr<flow> owner_;
    std::unique_ptr<tls::stream> stream_;
    flow::watch watch_;
    stream_deadline write_limit_;
    http::h2_session session_;
    asio::steady_timer wake_, written_;
    bool finishing_ = false;
    bool writing_ = false;
    bool write_failed_ = false;
};

} // namespace cofferdam::gateway
