#pragma once

#include "core/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace cofferdam {

/// Bytes read from a connection and not consumed yet. Memory is taken when there is something to read and given back when all
/// is consumed, to a small store of the thread: a connection that waits holds none.
class read_buffer {
public:
    /// What is read at once, and the memory that a connection in use needs for it.
    static constexpr std::size_t block_size = 32768;

    read_buffer() = default;
    ~read_buffer() { release(); }
    read_buffer(const read_buffer&) = delete;
    read_buffer& operator=(const read_buffer&) = delete;

    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(bytes_.get()) + begin_, size()}; }
    std::size_t size() const noexcept { return end_ - begin_; }
    bool empty() const noexcept { return begin_ == end_; }

    /// Free memory behind what is there: never none. Views of text() end here.
    std::span<std::uint8_t> room();
    /// So many bytes of room() have been filled.
    void commit(std::size_t count) noexcept { end_ += count; }
    void consume(std::size_t count) noexcept;
    void clear() noexcept { begin_ = end_ = 0; }
    /// Gives the memory back if nothing is in it.
    void rest() noexcept
    {
        if (empty()) release();
    }

private:
    void release() noexcept;

    std::unique_ptr<std::uint8_t[]> bytes_;
    std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

} // namespace cofferdam
