#pragma once

#include "core/bytes.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cofferdam::dns {

inline constexpr std::size_t max_label = 63;      ///< RFC 1035, 2.3.4
inline constexpr std::size_t max_name_wire = 255; ///< RFC 1035, 2.3.4: length octets and the root label included
inline constexpr std::size_t max_name_text = 253; ///< follows from max_name_wire: no final dot

/// Text of a host-like name kept in place: parsing a query allocates nothing.
class host_text {
public:
    host_text() noexcept = default;
    /// The first 255 octets of `text`.
    explicit host_text(std::string_view text) noexcept : size_(static_cast<std::uint8_t>(std::min(text.size(), text_.size())))
    {
        std::memcpy(text_.data(), text.data(), size_);
    }
    void append(char c) noexcept { text_[size_++] = c; }
    void clear() noexcept { size_ = 0; }
    std::string_view view() const noexcept { return {text_.data(), size_}; }
    std::size_t size() const noexcept { return size_; }

private:
    std::array<char, max_name_wire> text_{};
    std::uint8_t size_ = 0;
};

/// A domain name in wire form, uncompressed, lower case: a value that compares by its octets. Default: the root.
class name {
public:
    name() noexcept = default;

    /// From text: labels of letters, digits, '-' and '_' with dots between; a final dot is allowed, "." is the root.
    /// errc::malformed otherwise, errc::too_large over 63 octets a label or 255 in all.
    static result<name> parse(std::string_view text) noexcept;

    /// The labels at `offset` of `message`, without compression (RFC 1035, 3.1). `end` becomes the offset after them.
    /// errc::need_more if they run past the end, errc::malformed for a pointer or an extended label type.
    static result<name> read_plain(byte_view message, std::size_t offset, std::size_t& end) noexcept;
    /// The same with compression: each pointer must point before the run of labels it ends, into the body of the message,
    /// so forward pointers and loops are errc::malformed (RFC 9267, 2).
    static result<name> read_compressed(byte_view message, std::size_t offset, std::size_t& end) noexcept;

    byte_view wire() const noexcept { return {wire_.data(), size_}; }
    bool is_root() const noexcept { return size_ == 1; }
    /// True if every octet of every label is a letter, digit, '-' or '_': what a host, service or key name is made of. Only
    /// such names are judged, forwarded or handed to a client; a dot, NUL, space or newline inside a label is how one
    /// reader is made to see another name than the next (RFC 9267, 5).
    bool is_host_like() const noexcept;
    /// Fills `out` with the text of a host-like name ("." for the root).
    void text_into(host_text& out) const noexcept;
    /// Presentation form (RFC 1035, 5.1) without final dot: odd octets as \DDD, so one printable line always. For records.
    std::string text() const;

    friend bool operator==(const name& a, const name& b) noexcept
    {
        return a.size_ == b.size_ && std::memcmp(a.wire_.data(), b.wire_.data(), a.size_) == 0;
    }

private:
    result<std::size_t> append_label(byte_view label) noexcept;

    std::array<std::uint8_t, max_name_wire> wire_{};
    std::uint8_t size_ = 1;
};

} // namespace cofferdam::dns
