#pragma once

#include "tls/client_hello.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace cofferdam::tls {

/// Waits for the ClientHello on a just accepted connection without taking it out of the socket, so that the SSL made
/// afterwards reads it again. Whatever the client's segments, it wakes up only when there is something new to look at
/// (SO_RCVLOWAT, set back to 1 at the end). No time-out of its own: cancel the socket, which stays usable.
///
/// Errors: those of parse_client_hello (`unsupported`: not TLS, its first bytes are there to be peeked by others);
/// errc::closed if the client ends before its hello does; the system's codes.
boost::asio::awaitable<result<client_hello>> async_peek_client_hello(boost::asio::ip::tcp::socket& socket, std::size_t max);

} // namespace cofferdam::tls
