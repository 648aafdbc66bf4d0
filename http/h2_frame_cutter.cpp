#include "http/h2_frame_cutter.hpp"

#include <algorithm>

namespace cofferdam::http {
namespace {

constexpr std::size_t head_size = 9;
constexpr std::size_t dependency_size = 4;
constexpr std::uint8_t priority_type = 2;
constexpr std::uint32_t priority_length = 5;

std::uint32_t read_31_bits(const std::uint8_t* at) noexcept
{
    return (at[0] & 0x7FU) << 24U | static_cast<std::uint32_t>(at[1]) << 16U | static_cast<std::uint32_t>(at[2]) << 8U | at[3];
}

} // namespace

byte_view h2_frame_cutter::cut(byte_view& bytes) noexcept
{
    head_.reset();
    std::size_t size = 0;
    while (left_ == 0 && !head_ && size < bytes.size()) {
        begin_[have_++] = bytes[size++];
        if (have_ == want_) read_head();
    }
    const auto payload = std::min(left_, bytes.size() - size);
    left_ -= payload;
    size += payload;
    const auto piece = bytes.subspan(0, size);
    bytes = bytes.subspan(size);
    return piece;
}

void h2_frame_cutter::read_head() noexcept
{
    h2_frame_head read;
    read.length = static_cast<std::uint32_t>(begin_[0]) << 16U | static_cast<std::uint32_t>(begin_[1]) << 8U | begin_[2];
    read.type = begin_[3];
    read.flags = begin_[4];
    read.stream = static_cast<stream_id>(read_31_bits(&begin_[5]));
    const bool depends = read.type == priority_type && read.length == priority_length;
    if (depends && want_ == head_size) {
        want_ += dependency_size;
        return;
    }
    if (depends) read.dependency = static_cast<stream_id>(read_31_bits(&begin_[head_size]));
    left_ = read.length - (want_ - head_size);
    have_ = 0;
    want_ = head_size;
    head_ = read;
}

} // namespace cofferdam::http
