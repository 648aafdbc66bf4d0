#pragma once

#include "core/bytes.hpp"
#include "http/stream_id.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace cofferdam::http {

/// What stands before the payload of a frame (RFC 9113, 4.1).
struct h2_frame_head {
    std::uint32_t length = 0;
    std::uint8_t type = 0;
    std::uint8_t flags = 0;
    stream_id stream = 0;
    /// PRIORITY (6.3): the stream that it makes this one depend on.
    std::optional<stream_id> dependency;
};

/// Cuts received bytes at the ends of frames and tells each frame's head, before what checks and decodes them has seen it.
class h2_frame_cutter {
public:
    /// `preface`: octets before the first frame.
    explicit h2_frame_cutter(std::size_t preface) noexcept : left_(preface) {}

    /// Takes from the front of `bytes` no more than the rest of one frame; empty only if `bytes` is.
    byte_view cut(byte_view& bytes) noexcept;
    /// The head of the frame of the last piece, if that piece made it known.
    const std::optional<h2_frame_head>& head() const noexcept { return head_; }

private:
    void read_head() noexcept;

    std::array<std::uint8_t, 13> begin_{}; // a head, and of a PRIORITY frame the dependency
    std::size_t have_ = 0;                 // of it
    std::size_t want_ = 9;
    std::size_t left_; // of a payload (or the preface)
    std::optional<h2_frame_head> head_;
};

} // namespace cofferdam::http
