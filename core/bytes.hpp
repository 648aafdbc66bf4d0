#pragma once

#include "core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace cofferdam {

using byte_view = std::span<const std::uint8_t>;

inline byte_view as_bytes(std::string_view text) noexcept
{
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string_view as_text(byte_view bytes) noexcept
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Bounds-checked cursor over bytes that somebody else owns. Reading past the end yields
/// errc::need_more and leaves the cursor where it was. Integers are in network byte order.
class byte_reader {
public:
    explicit byte_reader(byte_view bytes) noexcept : bytes_(bytes) {}

    std::size_t position() const noexcept { return position_; }
    std::size_t remaining() const noexcept { return bytes_.size() - position_; }
    bool empty() const noexcept { return remaining() == 0; }

    result<std::uint8_t> u8() noexcept
    {
        const auto n = integer(1);
        if (!n) return n.error();
        return static_cast<std::uint8_t>(*n);
    }
    result<std::uint16_t> u16() noexcept
    {
        const auto n = integer(2);
        if (!n) return n.error();
        return static_cast<std::uint16_t>(*n);
    }
    result<std::uint32_t> u24() noexcept { return integer(3); }
    result<std::uint32_t> u32() noexcept { return integer(4); }

    result<byte_view> take(std::size_t count) noexcept
    {
        if (remaining() < count) return errc::need_more;
        const auto out = bytes_.subspan(position_, count);
        position_ += count;
        return out;
    }

private:
    result<std::uint32_t> integer(std::size_t width) noexcept
    {
        if (remaining() < width) return errc::need_more;
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < width; ++i) value = (value << 8) | bytes_[position_ + i];
        position_ += width;
        return value;
    }

    byte_view bytes_;
    std::size_t position_ = 0;
};

} // namespace cofferdam
