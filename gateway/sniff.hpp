#pragma once

#include "core/error.hpp"
#include "gateway/worker.hpp"
#include "tls/client_hello.hpp"

#include <string>

namespace cofferdam::gateway {

/// What the first bytes of a connection are. Nothing is consumed: the bytes stay in the socket.
enum class first_bytes {
    tls,     ///< a whole ClientHello, in `hello`
    bad_tls, ///< starts like TLS and is malformed or too large
    http,    ///< an HTTP/1 request line
    http2,   ///< the HTTP/2 preface
    opaque,  ///< anything else
    silent,  ///< nothing came before `patience` passed
    closed,  ///< the client went away
};

struct sniffed {
    first_bytes what = first_bytes::closed;
    tls::client_hello hello;
};

/// Peeks at the connection (MSG_PEEK with a growing SO_RCVLOWAT, so that partial input does not spin) until its
/// protocol is known. `patience` bounds the wait for the first byte, `limit` the wait for the rest.
asio::awaitable<sniffed> sniff(tcp::socket& socket, std::size_t max_client_hello, std::chrono::milliseconds patience,
                               std::chrono::milliseconds limit);

enum class wait_result { ready, timed_out, failed };
/// Waits until at least `wanted` bytes (or the end of the stream) can be read, without reading them.
asio::awaitable<wait_result> wait_for_bytes(tcp::socket& socket, std::size_t wanted, std::chrono::milliseconds limit);

/// True if no more bytes will come.
bool is_half_closed(tcp::socket& socket) noexcept;

/// Tells what the bytes are that a connection begins with. Pure; looks at each byte once, however they arrive.
class classifier {
public:
    /// `bytes`: all since the beginning; what earlier calls saw is its front. errc::need_more where more could change the answer.
    result<first_bytes> look(std::string_view bytes) noexcept;

private:
    std::size_t begin_ = 0; // of the first line; empty ones before it are skipped
    std::size_t seen_ = 0;
};

} // namespace cofferdam::gateway
