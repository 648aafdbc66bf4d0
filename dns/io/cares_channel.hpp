#pragma once

#include "core/bytes.hpp"
#include "dns/settings.hpp"

#include <ares.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cofferdam::dns {

/// A c-ares channel driven by an io_context, for what UDP does not carry, and for the system's list of servers: its sockets are
/// waited for as descriptors, its time-outs by one timer. All calls on the io_context's thread. Close it (or drop it) before
/// the io_context goes.
class cares_channel : public std::enable_shared_from_this<cares_channel> {
public:
    using received = result<std::vector<std::uint8_t>>;
    using callback = std::function<void(received)>;

    /// Throws std::runtime_error, one line that names the setting, if c-ares cannot be set up.
    static std::shared_ptr<cares_channel> open(boost::asio::io_context& io, const settings& how, const std::string& resolv_conf);
    ~cares_channel();
    cares_channel(const cares_channel&) = delete;
    cares_channel& operator=(const cares_channel&) = delete;

    /// The servers: those of the settings, else the system's.
    std::vector<ip_endpoint> servers() const;
    /// Sends `query_bytes` as they are, over TCP; tries the servers in turn. `done` is called exactly once, possibly before
    /// `send` returns: with the answer, or errc::timed_out, or errc::closed (refused, SERVFAIL from every server, channel
    /// closed). `done` must not close the channel.
    void send(byte_view query_bytes, callback done);
    /// Ends everything in flight with errc::closed. No send succeeds afterwards.
    void close();

private:
    struct watched_socket;

    explicit cares_channel(boost::asio::io_context& io) : io_(io), timer_(io) {}

    void configure(const settings& how, const std::string& resolv_conf);
    void on_socket_state(ares_socket_t fd, bool read, bool write);
    void wait_readable(std::shared_ptr<watched_socket> socket);
    void wait_writable(std::shared_ptr<watched_socket> socket);
    void resume(ares_socket_t readable, ares_socket_t writable);
    void schedule_timer();

    boost::asio::io_context& io_;
    boost::asio::steady_timer timer_;
    std::chrono::steady_clock::time_point timer_at_ = std::chrono::steady_clock::time_point::max();
    ares_channel channel_ = nullptr;
    std::map<ares_socket_t, std::shared_ptr<watched_socket>> sockets_;
};

} // namespace cofferdam::dns
