#pragma once

#include "http/head.hpp"

#include <optional>
#include <span>
#include <string>
#include <utility>

/// What is sent on is built again from the judged values; nothing of the peer's own framing survives.
namespace cofferdam::http {

/// A request as the gateway sends it. Views are the caller's.
struct forward_request {
    std::string_view method;
    std::string_view target;          ///< origin-form or "*": set it to the path and query that the policy judged
    std::string_view host;            ///< the one Host that is written
    std::vector<field> fields;        ///< end-to-end fields; framing and hop-by-hop ones in here are skipped
    body_kind body = body_kind::none; ///< none, length or chunked
    std::uint64_t content_length = 0;
    bool expect_continue = false;
    bool websocket_upgrade = false;
    bool close = false; ///< ask the server to close after its answer
};

struct forward_response {
    unsigned status = 502;
    std::string_view reason; ///< empty: reason_phrase(status)
    std::vector<field> fields;
    body_kind body = body_kind::none;            ///< until_close implies `close`
    std::optional<std::uint64_t> content_length; ///< required for length; with none: what HEAD and 304 declare
    bool websocket_upgrade = false;
    bool close = false;
    bool announce_keep_alive = false; ///< an HTTP/1.0 client must be told that the connection stays
};

/// The request that may be judged and sent in place of `head`: hop-by-hop fields, those named by Connection, and every
/// upgrade but WebSocket are gone. Views still point into the buffer of `head`.
void rebuild(const request_head& head, forward_request& out);

/// The response for the client that sent a request of version HTTP/1.<client_minor> (a chunked body becomes until_close
/// for 1.0). `client_keep_alive`: the client and the gateway would both go on.
void rebuild(const response_head& head, unsigned client_minor, bool client_keep_alive, forward_response& out);

/// Append to `out`. All values must have come through a parser or the policy: a CR or LF in any of them is a broken
/// invariant and aborts, as one line more than was meant is a request more than was judged.
void write_request_head(std::string& out, const forward_request& request);
void write_response_head(std::string& out, const forward_response& response);

/// "<size>CRLF"; the data and "CRLF" follow. `size` must not be 0: that is write_last_chunk.
void write_chunk_header(std::string& out, std::size_t size);
inline constexpr std::string_view chunk_end = "\r\n";
/// A whole chunk; nothing for empty data.
void write_chunk(std::string& out, std::string_view data);
/// Ends a chunked body. `trailers` as body_decoder::trailers gives them.
void write_last_chunk(std::string& out, std::span<const std::pair<std::string, std::string>> trailers = {});

/// The registered phrase (RFC 9110, 15), or "Unknown".
std::string_view reason_phrase(unsigned status) noexcept;

} // namespace cofferdam::http
