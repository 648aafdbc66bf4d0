#pragma once

#include <chrono>
#include <cstddef>

namespace cofferdam::http {

/// What one HTTP/2 connection of a job may use. The header list is bounded by limits::max_head.
struct http2_limits {
    std::size_t max_streams = 100;             ///< http.http2.max_streams: requests at once
    std::size_t max_frame = 16384;             ///< http.http2.max_frame: payload of a frame, RFC 9113, 4.2
    std::size_t stream_window = 256 * 1024;    ///< http.http2.stream_window: bytes held of one body, each way
    std::size_t connection_window = 4U << 20U; ///< http.http2.connection_window: bytes held of all bodies, each way
    std::size_t max_resets = 400;              ///< http.http2.max_resets: streams that the peer makes end, in ten seconds
    std::size_t max_idle_frames = 1000;        ///< http.http2.max_idle_frames: frames that carry nothing, in ten seconds
};

struct limits {
    std::size_t max_head = 65536;                            ///< http.max_head: request or response head
    std::size_t max_start_line = 16384;                      ///< http.max_start_line
    std::size_t max_header_fields = 200;                     ///< http.max_header_fields
    std::size_t max_chunk_line = 4096;                       ///< http.max_chunk_line: size and extensions
    std::size_t max_trailer = 16384;                         ///< http.max_trailer
    unsigned max_interim_responses = 16;                     ///< http.max_interim_responses (1xx)
    std::chrono::milliseconds head_timeout{30'000};          ///< http.head_timeout: from first to last byte of a head
    std::chrono::milliseconds idle_timeout{75'000};          ///< http.idle_timeout: between requests
    std::chrono::milliseconds body_timeout{60'000};          ///< http.body_timeout: without progress
    std::chrono::milliseconds response_timeout{300'000};     ///< http.response_timeout: to the first byte of the answer
    std::chrono::milliseconds upstream_hold{2'000};          ///< http.upstream_hold: kept for a client between its requests
    std::size_t upstream_idle_connections = 64;              ///< http.upstream_idle_connections: kept a worker; 0: none
    std::chrono::milliseconds upstream_idle_timeout{30'000}; ///< http.upstream_idle_timeout: how long one is kept unused
    std::chrono::milliseconds upstream_lifetime{600'000};    ///< http.upstream_lifetime: since it was made
    http2_limits http2;
};

} // namespace cofferdam::http
