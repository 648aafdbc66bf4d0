#include "core/read_buffer.hpp"

#include <algorithm>
#include <vector>

namespace cofferdam {
namespace {

using block = std::unique_ptr<std::uint8_t[]>;

constexpr std::size_t max_spare = 16; // blocks kept a thread
constexpr std::size_t least_room = 4096;

std::vector<block>& spare_blocks()
{
    thread_local std::vector<block> blocks = [] {
        std::vector<block> made;
        made.reserve(max_spare); // so that giving back needs no memory
        return made;
    }();
    return blocks;
}

block take_block()
{
    auto& spare = spare_blocks();
    if (spare.empty()) return block(new std::uint8_t[read_buffer::block_size]);
    auto out = std::move(spare.back());
    spare.pop_back();
    return out;
}

} // namespace

std::span<std::uint8_t> read_buffer::room()
{
    if (!bytes_) {
        bytes_ = take_block();
        capacity_ = block_size;
    }
    if (empty()) clear();
    if (capacity_ - end_ < least_room) {
        const bool moves = begin_ >= capacity_ / 2; // enough is free in front
        auto grown = moves ? nullptr : block(new std::uint8_t[capacity_ * 2]);
        auto* to = moves ? bytes_.get() : grown.get();
        std::copy(bytes_.get() + begin_, bytes_.get() + end_, to);
        if (grown) {
            bytes_ = std::move(grown);
            capacity_ *= 2;
        }
        end_ = size();
        begin_ = 0;
    }
    return {bytes_.get() + end_, capacity_ - end_};
}

void read_buffer::consume(std::size_t count) noexcept
{
    begin_ += std::min(count, size());
    if (empty()) clear();
}

void read_buffer::release() noexcept
{
    if (!bytes_) return;
    auto& spare = spare_blocks();
    if (capacity_ == block_size && spare.size() < max_spare) spare.push_back(std::move(bytes_));
    bytes_.reset();
    capacity_ = 0;
    clear();
}

} // namespace cofferdam
