#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace cofferdam::http {

/// A property that must hold for every input.
#define FUZZ_REQUIRE(condition)                                                                                                  \
    do {                                                                                                                         \
        if (!(condition)) {                                                                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                 \
            std::abort();                                                                                                        \
        }                                                                                                                        \
    } while (false)

/// Where to cut the input next: derived from the input itself, so that a finding is one file.
class cut_points {
public:
    explicit cut_points(std::uint8_t seed) noexcept : state_(seed * 2654435761U + 1) {}

    /// 1..longest
    std::size_t next(std::size_t longest) noexcept
    {
        state_ = state_ * 1664525U + 1013904223U;
        return 1 + (state_ >> 16) % longest;
    }

private:
    std::uint32_t state_;
};

} // namespace cofferdam::http
