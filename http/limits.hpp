#pragma once

#include <chrono>
#include <cstddef>

namespace cofferdam::http {

struct limits {
    std::size_t max_head = 65536;                        ///< http.max_head: request or response head
    std::size_t max_start_line = 16384;                  ///< http.max_start_line
    std::size_t max_header_fields = 200;                 ///< http.max_header_fields
    std::size_t max_chunk_line = 4096;                   ///< http.max_chunk_line: size and extensions
    std::size_t max_trailer = 16384;                     ///< http.max_trailer
    unsigned max_interim_responses = 16;                 ///< http.max_interim_responses (1xx)
    std::chrono::milliseconds head_timeout{30'000};      ///< http.head_timeout: from first to last byte of a head
    std::chrono::milliseconds idle_timeout{75'000};      ///< http.idle_timeout: between requests
    std::chrono::milliseconds body_timeout{60'000};      ///< http.body_timeout: without progress
    std::chrono::milliseconds response_timeout{300'000}; ///< http.response_timeout: to the first byte of the answer
};

} // namespace cofferdam::http
