#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <sys/random.h>

namespace cofferdam::dns {

/// Random numbers of the kernel, taken in blocks: a system call each would cost as much as a query. Not thread-safe.
class random_source {
public:
    /// Throws std::runtime_error if the kernel has none.
    std::uint16_t u16()
    {
        if (left_ == 0) refill();
        return block_[--left_];
    }

private:
    void refill()
    {
        if (::getrandom(block_.data(), sizeof block_, 0) != static_cast<ssize_t>(sizeof block_))
            throw std::runtime_error("getrandom failed");
        left_ = block_.size();
    }

    std::array<std::uint16_t, 128> block_{}; // 256 octets come in one piece, or not at all (getrandom(2))
    std::size_t left_ = 0;
};

} // namespace cofferdam::dns
