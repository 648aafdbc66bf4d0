#include "gateway/http2_connection.hpp"

#include "core/io/coroutine.hpp"

#include <boost/asio/as_tuple.hpp>

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr auto for_ever = std::chrono::steady_clock::time_point::max();
constexpr std::size_t burst_size = 8192; // who sends so much at once sends more
constexpr std::size_t write_size = 65536;
constexpr std::chrono::milliseconds finish_poll{20};
constexpr std::chrono::milliseconds linger{1500};

} // namespace

http2_connection::http2_connection(std::shared_ptr<flow> owner, std::unique_ptr<tls::stream> stream, http::h2_session::role as,
                                   http::h2_listener& listener, bool connect_protocol)
    : owner_(std::move(owner)), stream_(std::move(stream)), watch_(*owner_, *stream_), write_limit_(owner_->home(), *stream_),
      session_(as, owner_->job().settings().http, listener, connect_protocol), wake_(owner_->home().context()),
      written_(owner_->home().context())
{
}

asio::awaitable<error_code> http2_connection::read(std::function<void()> after)
{
    read_buffer in;
    auto next = tls::expect::bytes;
    for (;;) {
        const auto got = co_await stream_->async_read(in, next);
        if (got.error) co_return got.error;
        const bool more = session_.receive(as_bytes(in.text()), std::chrono::steady_clock::now());
        in.clear();
        next = got.transferred < burst_size ? tls::expect::silence : tls::expect::bytes;
        after();
        wake();
        if (!more) co_return error_code();
    }
}

asio::awaitable<void> http2_connection::write()
{
    struct end_guard {
        explicit end_guard(http2_connection& guarded) : self(guarded) { self.writing_ = true; }
        ~end_guard()
        {
            self.writing_ = false;
            self.written_.cancel();
        }
        http2_connection& self;
    };
    const end_guard guard(*this);
    std::string bytes;
    while (stream_->is_open()) {
        bytes.clear();
        session_.send(bytes, write_size);
        if (bytes.empty()) {
            if (finishing_ || session_.finished()) break;
            wake_.expires_at(for_ever);
            co_await wake_.async_wait(use_tuple);
            continue;
        }
        write_limit_.arm(owner_->job().settings().http.body_timeout);
        const auto written = co_await stream_->async_write(as_bytes(bytes));
        write_limit_.disarm();
        if (written.error) {
            write_failed_ = true;
            stream_->close();
            co_return;
        }
    }
    if (!finishing_ && stream_->is_open()) { // the reader waits for the peer's end
        write_limit_.arm(linger);
        co_await stream_->async_shutdown_write();
    }
}

asio::awaitable<void> http2_connection::finish()
{
    finishing_ = true;
    while (writing_) {
        wake();
        written_.expires_after(finish_poll);
        co_await written_.async_wait(use_tuple);
    }
}

void http2_connection::leave() noexcept
{
    finishing_ = true;
    wake();
}

void http2_connection::close() noexcept
{
    finishing_ = true;
    stream_->close();
    wake();
}

} // namespace cofferdam::gateway
