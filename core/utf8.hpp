#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cofferdam {

struct code_point {
    std::uint32_t value = 0;
    std::size_t length = 0; ///< octets; 0: not UTF-8 at this place
};

/// The first character of `text`, which must not be empty (RFC 3629: no overlongs, no surrogates, at most U+10FFFF).
code_point decode_utf8(std::string_view text) noexcept;

} // namespace cofferdam
