#pragma once

#include "http/fault.hpp"
#include "http/field.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

/// Character classes and the small productions that heads, bodies and writers share (RFC 9110 section 5.6, RFC 9112).
namespace cofferdam::http {

namespace char_class {
inline constexpr std::uint8_t token = 1;     ///< tchar
inline constexpr std::uint8_t value = 2;     ///< field-content: HTAB, SP, VCHAR, obs-text
inline constexpr std::uint8_t visible = 4;   ///< VCHAR
inline constexpr std::uint8_t host_name = 8; ///< ALPHA / DIGIT / "-" / "." / "_": no percent-encoding, no sub-delims
inline constexpr std::uint8_t digit = 16;
} // namespace char_class

constexpr std::array<std::uint8_t, 256> make_char_classes() noexcept
{
    std::array<std::uint8_t, 256> classes{};
    for (unsigned c = 0; c < 256; ++c) {
        const bool is_digit = c >= '0' && c <= '9';
        const bool is_alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        unsigned bits = 0;
        if (is_digit || is_alpha ||
            (c < 0x80 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos))
            bits |= char_class::token;
        if (c == '\t' || (c >= 0x20 && c != 0x7f)) bits |= char_class::value;
        if (c > 0x20 && c < 0x7f) bits |= char_class::visible;
        if (is_digit || is_alpha || c == '-' || c == '.' || c == '_') bits |= char_class::host_name;
        if (is_digit) bits |= char_class::digit;
        classes[c] = static_cast<std::uint8_t>(bits);
    }
    return classes;
}
inline constexpr auto char_classes = make_char_classes();

inline bool is_in(char c, std::uint8_t classes) noexcept
{
    return (char_classes[static_cast<unsigned char>(c)] & classes) != 0;
}

/// Length of the longest prefix whose characters are all in `classes`.
inline std::size_t span_of(std::string_view text, std::uint8_t classes) noexcept
{
    std::size_t n = 0;
    while (n < text.size() && is_in(text[n], classes)) ++n;
    return n;
}

inline bool is_token(std::string_view text) noexcept
{
    return !text.empty() && span_of(text, char_class::token) == text.size();
}

constexpr bool is_ows(char c) noexcept
{
    return c == ' ' || c == '\t';
}

inline std::string_view trim_ows(std::string_view text) noexcept
{
    while (!text.empty() && is_ows(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_ows(text.back())) text.remove_suffix(1);
    return text;
}

/// Takes the next non-empty element of a comma-separated list without quoted strings off `rest`; false at the end.
bool next_element(std::string_view& rest, std::string_view& element) noexcept;

/// Parses field lines up to and with the empty line that ends `block`. Anything after the empty line is a caller's error
/// and reported as malformed.
const fault* parse_fields(std::string_view block, std::size_t max_fields, std::vector<field>& out);

} // namespace cofferdam::http
