#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace cofferdam::gateway {

/// Bytes on their way from one side of an exchange to the other, first in, first out. Flow control bounds it.
class byte_queue {
public:
    void append(std::string_view bytes)
    {
        if (begin_ > 0 && begin_ == bytes_.size()) clear();
        bytes_ += bytes;
    }
    /// Moves up to `into.size()` bytes out; returns how many.
    std::size_t take(std::span<std::uint8_t> into) noexcept
    {
        const auto count = std::min(into.size(), size());
        if (count > 0) std::memcpy(into.data(), bytes_.data() + begin_, count);
        begin_ += count;
        if (begin_ == bytes_.size())
            clear();
        else if (begin_ > compact_at) {
            bytes_.erase(0, begin_);
            begin_ = 0;
        }
        return count;
    }
    std::size_t size() const noexcept { return bytes_.size() - begin_; }
    bool empty() const noexcept { return size() == 0; }
    void clear() noexcept
    {
        bytes_.clear();
        begin_ = 0;
    }

private:
    static constexpr std::size_t compact_at = 65536;
    std::string bytes_;
    std::size_t begin_ = 0;
};

} // namespace cofferdam::gateway
