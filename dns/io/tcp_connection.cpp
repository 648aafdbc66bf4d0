#include "dns/io/tcp_connection.hpp"

#include "core/io/coroutine.hpp"
#include "dns/io/udp_socket.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

namespace cofferdam::dns {

namespace asio = boost::asio;

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t read_size = 4096;

} // namespace

tcp_connection::tcp_connection(asio::ip::tcp::socket socket, clock::duration idle)
    : socket_(std::move(socket)), idle_timer_(socket_.get_executor()), room_(socket_.get_executor()), idle_(idle),
      last_move_(clock::now())
{
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(socket_.native_handle(), reinterpret_cast<sockaddr*>(&address), &size) == 0) peer_ = endpoint_of(address);
}

asio::awaitable<void> tcp_connection::run(std::shared_ptr<tcp_connection> self, on_message deliver)
{
    const auto token = asio::as_tuple(asio::use_awaitable);
    std::vector<std::uint8_t> buffer(read_size);
    self->watch_idle();
    while (!self->closed_) {
        const auto into = asio::buffer(buffer);
        const auto [ec, size] = co_await self->socket_.async_read_some(into, token);
        if (ec) break;
        self->framing_.push(byte_view(buffer).first(size));
        while (!self->deliver_all(deliver)) {
            self->room_.expires_at(clock::time_point::max());
            co_await self->room_.async_wait(token);
        }
    }
    self->read_ended_ = true;
    self->close_if_finished();
}

// The client may have closed its half only, and still waits for what it asked.
void tcp_connection::close_if_finished()
{
    if (read_ended_ && unanswered_ == 0 && !writing_) close();
}

// False: there is no room for another unanswered query.
bool tcp_connection::deliver_all(const on_message& deliver)
{
    while (!closed_) {
        if (unanswered_ >= max_unanswered) return false;
        const auto message = framing_.next();
        if (!message) {
            if (message.error() != errc::need_more) close();
            return true;
        }
        moved();
        ++unanswered_;
        deliver(*message);
    }
    return true;
}

void tcp_connection::settle_one()
{
    if (unanswered_ != 0) --unanswered_;
    moved();
    room_.cancel();
}

void tcp_connection::no_answer()
{
    settle_one();
    close_if_finished();
}

void tcp_connection::answer(byte_view message)
{
    settle_one();
    if (closed_) return;
    outgoing_.push_back(frame(message));
    outgoing_size_ += outgoing_.back().size();
    if (outgoing_size_ > max_outgoing) return close();
    if (writing_) return;
    writing_ = true;
    auto writer = write_all(shared_from_this());
    auto on_end = [self = shared_from_this()](std::exception_ptr failed) {
        if (failed) self->close();
    };
    asio::co_spawn(socket_.get_executor(), std::move(writer), std::move(on_end));
}

asio::awaitable<void> tcp_connection::write_all(std::shared_ptr<tcp_connection> self)
{
    const auto token = asio::as_tuple(asio::use_awaitable);
    while (!self->closed_ && !self->outgoing_.empty()) {
        const auto next = std::move(self->outgoing_.front());
        self->outgoing_.pop_front();
        const auto from = asio::buffer(next);
        const auto [ec, size] = co_await asio::async_write(self->socket_, from, token);
        self->outgoing_size_ -= next.size();
        if (ec) self->close();
        self->moved();
    }
    self->writing_ = false;
    self->close_if_finished();
}

void tcp_connection::moved()
{
    last_move_ = clock::now();
}

// Unanswered queries keep it open: upstream's time-outs bound those, and their answers move it. Answers not taken do not.
void tcp_connection::watch_idle()
{
    idle_timer_.expires_at(last_move_ + idle_);
    idle_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
        if (ec || self->closed_) return;
        const bool expired = clock::now() >= self->last_move_ + self->idle_;
        if (expired && (self->unanswered_ == 0 || !self->outgoing_.empty() || self->writing_)) return self->close();
        if (expired) self->moved();
        self->watch_idle();
    });
}

void tcp_connection::close()
{
    if (closed_) return;
    closed_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
    idle_timer_.cancel();
    room_.cancel();
}

} // namespace cofferdam::dns
