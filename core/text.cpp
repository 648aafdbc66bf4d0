#include "core/text.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace cofferdam {
namespace {

struct code_point {
    std::uint32_t value;
    std::size_t length; // 0: not UTF-8 at this place
};

code_point decode(std::string_view text) noexcept
{
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return {lead, 1};
    std::size_t length = 0;
    std::uint32_t value = 0;
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
        value = lead & 0x1FU;
    }
    else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        value = lead & 0x0FU;
    }
    else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        value = lead & 0x07U;
    }
    if (length == 0 || text.size() < length) return {0, 0};
    for (std::size_t i = 1; i < length; ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if ((c & 0xC0U) != 0x80U) return {0, 0};
        value = (value << 6) | (c & 0x3FU);
    }
    const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (overlong || surrogate || value > 0x10FFFF) return {0, 0};
    return {value, length};
}

bool is_control(std::uint32_t c) noexcept
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029 || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200E || c == 0x200F || c == 0x061C || c == 0xFEFF;
}

} // namespace

std::string to_lower(std::string_view text)
{
    std::string out(text);
    for (char& c : out) c = to_lower(c);
    return out;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return to_lower(x) == to_lower(y); });
}

std::string escape_line(std::string_view untrusted)
{
    std::string out;
    out.reserve(untrusted.size());
    char buffer[16];
    while (!untrusted.empty()) {
        const auto [value, length] = decode(untrusted);
        if (length == 0) {
            std::snprintf(buffer, sizeof buffer, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(untrusted[0])));
            out += buffer;
            untrusted.remove_prefix(1);
            continue;
        }
        if (value == '\\')
            out += "\\\\";
        else if (is_control(value)) {
            std::snprintf(buffer, sizeof buffer, value < 0x80 ? "\\x%02x" : "\\u{%04x}", static_cast<unsigned>(value));
            out += buffer;
        }
        else
            out += untrusted.substr(0, length);
        untrusted.remove_prefix(length);
    }
    return out;
}

bool is_utf8(std::string_view text) noexcept
{
    while (!text.empty()) {
        const auto length = decode(text).length;
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

} // namespace cofferdam
