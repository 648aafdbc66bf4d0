#pragma once

#include "core/error.hpp"

#include <cstdint>
#include <string_view>

namespace cofferdam::http {

/// What exactly was wrong with a message. Objects are static and are passed around as `const fault*`, null meaning
/// "nothing wrong", so a pointer may be kept in records and error pages for ever.
struct fault {
    errc code;
    std::uint16_t status;  ///< the status a server answers with; for a fault of a response the answer is 502
    std::string_view what; ///< a clause for a person, without trailing stop; names no peer-controlled text
};

namespace faults {

// Lines and fields
inline constexpr fault bare_lf{errc::malformed, 400, "a line ends in LF without CR"};
inline constexpr fault bare_cr{errc::malformed, 400, "a CR stands without LF"};
inline constexpr fault leading_lines{errc::malformed, 400, "more than one empty line before the request line"};
inline constexpr fault folded{errc::malformed, 400, "a field line starts with white space (obs-fold)"};
inline constexpr fault field_name{errc::malformed, 400, "a field name is empty or not a token"};
inline constexpr fault space_before_colon{errc::malformed, 400, "white space stands between a field name and its colon"};
inline constexpr fault field_value{errc::malformed, 400, "a field value contains a control character"};
inline constexpr fault head_size{errc::too_large, 431, "the head is larger than http.max_head"};
inline constexpr fault field_count{errc::too_large, 431, "there are more fields than http.max_header_fields"};
inline constexpr fault option_count{errc::too_large, 431, "Connection or Upgrade lists too many elements"};

// HTTP/2
inline constexpr fault pseudo_field{errc::malformed, 400, "a pseudo field is missing, repeated, unknown or out of place"};
inline constexpr fault connection_field{errc::malformed, 400, "a connection-specific field in an HTTP/2 message"};
inline constexpr fault websocket_handshake{errc::malformed, 400, "the WebSocket handshake is not complete"};

// Start line
inline constexpr fault start_line{errc::malformed, 400, "the start line is malformed"};
inline constexpr fault start_line_size{errc::too_large, 414, "the start line is longer than http.max_start_line"};
inline constexpr fault method_size{errc::too_large, 501, "the method is too long"};
inline constexpr fault version{errc::unsupported, 505, "the HTTP version is neither 1.0 nor 1.1"};
inline constexpr fault target{errc::malformed, 400, "the request target fits no form of RFC 9112, section 3.2"};
inline constexpr fault target_scheme{errc::unsupported, 400, "the scheme of the absolute-form target is neither http nor https"};
inline constexpr fault target_query{errc::ambiguous, 400, "the absolute-form target has a query but no path"};
inline constexpr fault status_code{errc::malformed, 502, "the status code is not in 100..599"};

// Host
inline constexpr fault host_missing{errc::malformed, 400, "HTTP/1.1 without Host"};
inline constexpr fault host_repeated{errc::ambiguous, 400, "more than one Host"};
inline constexpr fault host_syntax{errc::malformed, 400, "Host or the target's authority is not host[:port]"};
inline constexpr fault host_differs{errc::ambiguous, 400, "Host and the target's authority differ"};

// Framing
inline constexpr fault length_syntax{errc::malformed, 400, "Content-Length is not one plain decimal number"};
inline constexpr fault length_repeated{errc::ambiguous, 400, "more than one Content-Length"};
inline constexpr fault length_overflow{errc::too_large, 413, "Content-Length does not fit 63 bits"};
inline constexpr fault both_framings{errc::ambiguous, 400, "Content-Length and Transfer-Encoding together"};
inline constexpr fault coding_syntax{errc::malformed, 400, "Transfer-Encoding is not exactly one final \"chunked\""};
inline constexpr fault coding_unsupported{errc::unsupported, 501, "a transfer coding other than \"chunked\""};
inline constexpr fault coding_in_http10{errc::malformed, 400, "Transfer-Encoding in an HTTP/1.0 message"};
inline constexpr fault framing_lookalike{errc::ambiguous, 400,
                                         "a field looks like Content-Length or Transfer-Encoding but is neither"};
inline constexpr fault body_not_allowed{errc::malformed, 400, "a body where the message can have none"};

// Connection
inline constexpr fault connection_syntax{errc::malformed, 400, "Connection or Upgrade is not a list of tokens"};
inline constexpr fault connection_names_field{errc::ambiguous, 400, "Connection names a field that is not hop-by-hop"};
inline constexpr fault expectation{errc::unsupported, 417, "an Expect other than \"100-continue\""};
inline constexpr fault unsolicited_upgrade{errc::unsupported, 502, "101 Switching Protocols without a WebSocket handshake"};
inline constexpr fault unsolicited_tunnel{errc::unsupported, 502, "a successful answer to CONNECT would open a tunnel"};

// Body
inline constexpr fault chunk_size{errc::malformed, 400, "a chunk size is not plain hexadecimal"};
inline constexpr fault chunk_overflow{errc::too_large, 413, "a chunk size does not fit 63 bits"};
inline constexpr fault chunk_line_size{errc::too_large, 400, "a chunk line is longer than http.max_chunk_line"};
inline constexpr fault chunk_overhead{errc::too_large, 400, "chunk framing outweighs the data"};
inline constexpr fault chunk_extension{errc::malformed, 400, "a chunk extension is malformed"};
inline constexpr fault chunk_end{errc::malformed, 400, "chunk data is not followed by CRLF"};
inline constexpr fault trailer_size{errc::too_large, 431, "the trailer section is larger than http.max_trailer"};
inline constexpr fault trailer_field{errc::malformed, 400, "a trailer field would change framing or routing"};
inline constexpr fault body_cut{errc::closed, 400, "the connection closed inside the body"};

} // namespace faults
} // namespace cofferdam::http
