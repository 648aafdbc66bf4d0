#include "core/text.hpp"

#include "core/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace cofferdam {
namespace {

bool is_control(std::uint32_t c) noexcept
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029 || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200E || c == 0x200F || c == 0x061C || c == 0xFEFF;
}

} // namespace

std::string to_lower(std::string_view text)
{
    std::string out;
    assign_lower(out, text);
    return out;
}

void assign_lower(std::string& out, std::string_view text)
{
    out.assign(text);
    for (char& c : out) c = to_lower(c);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return to_lower(x) == to_lower(y); });
}

std::string escape_html(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out += c;
        }
    }
    return out;
}

std::string escape_line(std::string_view untrusted)
{
    std::string out;
    out.reserve(untrusted.size());
    char buffer[16];
    while (!untrusted.empty()) {
        const auto [value, length] = decode_utf8(untrusted);
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
        const auto length = decode_utf8(text).length;
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

} // namespace cofferdam
