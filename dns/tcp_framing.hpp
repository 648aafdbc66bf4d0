#pragma once

#include "dns/message.hpp"

#include <vector>

namespace cofferdam::dns {

/// DNS messages out of a TCP stream: two octets of length, then the message (RFC 1035, 4.2.2; RFC 7766). Split anywhere,
/// any number pipelined. Holds at most one incomplete message and what one `push` brought.
class tcp_framing {
public:
    /// `max_message`: a longer announced length ends the stream, before its octets are waited for.
    explicit tcp_framing(std::size_t max_message = max_query_size) noexcept : max_message_(max_message) {}

    /// Takes bytes of the stream. Call `next` until it needs more before the following push.
    void push(byte_view bytes);

    /// The next message; valid until the following `push`. errc::need_more: read on. errc::malformed (a length under
    /// the 12 octets of a header, zero included) and errc::too_large are final: close the connection.
    result<byte_view> next() noexcept;

    /// True in the middle of a message: the stream must not end here.
    bool partial() const noexcept { return consumed_ < buffer_.size(); }

private:
    std::size_t max_message_;
    std::vector<std::uint8_t> buffer_;
    std::size_t consumed_ = 0;
    error_code failed_;
};

/// `message` with its length before it. At most max_message_size octets.
std::vector<std::uint8_t> frame(byte_view message);

} // namespace cofferdam::dns
