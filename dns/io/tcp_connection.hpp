#pragma once

#include "core/io/coroutine.hpp"
#include "dns/tcp_framing.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>

namespace cofferdam::dns {

/// One DNS connection of a client: messages in, answers out in any order (RFC 7766, 6.2.1.1). It is closed when no whole query
/// and no answer has moved for `idle`, so that a client that sends an octet at a time, or does not read, gains nothing.
class tcp_connection : public std::enable_shared_from_this<tcp_connection> {
public:
    static constexpr std::size_t max_unanswered = 64;       ///< then it reads no further queries until one is answered
    static constexpr std::size_t max_outgoing = 256U << 10; ///< octets of answers not yet taken; more closes it

    using on_message = std::function<void(byte_view message)>;

    tcp_connection(boost::asio::ip::tcp::socket socket, std::chrono::steady_clock::duration idle);

    /// Reads until the end, a violation or a time-out, and calls `deliver` for each message; each must be answered once.
    static boost::asio::awaitable<void> run(std::shared_ptr<tcp_connection> self, on_message deliver);

    void answer(byte_view message); ///< after close: nothing happens
    void no_answer();               ///< the message was dropped
    void close();

    const ip_endpoint& peer() const noexcept { return peer_; }

private:
    static boost::asio::awaitable<void> write_all(std::shared_ptr<tcp_connection> self);
    bool deliver_all(const on_message& deliver);
    void settle_one();
    void close_if_finished();
    void moved();
    void watch_idle();

    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer idle_timer_, room_; // room_: wakes the reader when an answer has gone
    std::chrono::steady_clock::duration idle_;
    std::chrono::steady_clock::time_point last_move_;
    ip_endpoint peer_;
    tcp_framing framing_;
    std::deque<std::vector<std::uint8_t>> outgoing_;
    std::size_t outgoing_size_ = 0, unanswered_ = 0;
    bool writing_ = false, read_ended_ = false, closed_ = false;
};

} // namespace cofferdam::dns
