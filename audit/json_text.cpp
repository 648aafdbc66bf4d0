#include "audit/json_text.hpp"

#include "core/utf8.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace cofferdam::audit {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

constexpr std::array<bool, 256> make_plain() noexcept
{
    std::array<bool, 256> out{};
    for (std::size_t c = 0x20; c < 0x7F; ++c) out[c] = c != '"' && c != '\\';
    return out;
}
constexpr auto plain = make_plain();

int hex_value(char c) noexcept
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// True if `text` starts with \xHH.
bool is_byte_escape(std::string_view text) noexcept
{
    return text.size() >= 4 && text[0] == '\\' && text[1] == 'x' && hex_value(text[2]) >= 0 && hex_value(text[3]) >= 0;
}

void append_unit(std::string& out, std::uint32_t unit)
{
    const char text[] = {'\\',
                         'u',
                         hex_digits[(unit >> 12) & 15U],
                         hex_digits[(unit >> 8) & 15U],
                         hex_digits[(unit >> 4) & 15U],
                         hex_digits[unit & 15U]};
    out.append(text, sizeof text);
}

/// The JSON text "\\xNN", which decodes to \xNN.
void append_byte_escape(std::string& out, unsigned char byte)
{
    const char text[] = {'\\', '\\', 'x', hex_digits[byte >> 4], hex_digits[byte & 15U]};
    out.append(text, sizeof text);
}

/// Escapes the one character at the front of `text` that is not plain; returns how many bytes it had.
std::size_t append_special(std::string& out, std::string_view text)
{
    const auto byte = static_cast<unsigned char>(text[0]);
    if (byte == '\\') {
        if (is_byte_escape(text))
            append_byte_escape(out, byte);
        else
            out += "\\\\";
        return 1;
    }
    if (byte < 0x80) {
        append_unit(out, byte);
        return 1;
    }
    const auto [value, length] = decode_utf8(text);
    if (length == 0) {
        append_byte_escape(out, byte);
        return 1;
    }
    if (value < 0x10000)
        append_unit(out, value);
    else {
        append_unit(out, 0xD800 + ((value - 0x10000) >> 10));
        append_unit(out, 0xDC00 + ((value - 0x10000) & 0x3FFU));
    }
    return length;
}

void append_padded(std::string& out, std::uint64_t value, std::size_t width)
{
    const auto start = out.size();
    out.append(width, '0');
    for (std::size_t i = start + width; i > start && value != 0; value /= 10) out[--i] = static_cast<char>('0' + value % 10);
}

template <class Number>
void append_number(std::string& out, Number value)
{
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    out.append(buffer.data(), end);
}

} // namespace

bool append_string(std::string& out, std::string_view value, std::size_t limit)
{
    out += '"';
    const std::size_t start = out.size();
    while (!value.empty()) {
        const std::size_t room = limit - std::min(limit, out.size() - start);
        std::size_t run = 0;
        while (run < value.size() && run < room && plain[static_cast<unsigned char>(value[run])]) ++run;
        out.append(value.data(), run);
        value.remove_prefix(run);
        if (value.empty()) break;
        if (room - run < 12) break; // the longest escape: a surrogate pair
        if (!plain[static_cast<unsigned char>(value[0])]) value.remove_prefix(append_special(out, value));
    }
    const bool cut = !value.empty();
    if (cut) {
        out += "[+";
        append_number(out, value.size());
        out += " bytes]";
    }
    out += '"';
    return cut;
}

std::string raw_text(std::string_view decoded)
{
    std::string out;
    out.reserve(decoded.size());
    while (!decoded.empty()) {
        if (is_byte_escape(decoded)) {
            out += static_cast<char>(hex_value(decoded[2]) * 16 + hex_value(decoded[3]));
            decoded.remove_prefix(4);
            continue;
        }
        out += decoded[0];
        decoded.remove_prefix(1);
    }
    return out;
}

void append_time(std::string& out, clock::time_point when)
{
    using namespace std::chrono;
    const auto exact = time_point_cast<nanoseconds>(when);
    const auto second = floor<seconds>(exact);
    const auto day = floor<days>(second);
    const year_month_day date(day);
    const hh_mm_ss clock_time(second - day);
    append_padded(out, static_cast<std::uint64_t>(std::clamp(static_cast<int>(date.year()), 0, 9999)), 4);
    out += '-';
    append_padded(out, static_cast<unsigned>(date.month()), 2);
    out += '-';
    append_padded(out, static_cast<unsigned>(date.day()), 2);
    out += 'T';
    append_padded(out, static_cast<std::uint64_t>(clock_time.hours().count()), 2);
    out += ':';
    append_padded(out, static_cast<std::uint64_t>(clock_time.minutes().count()), 2);
    out += ':';
    append_padded(out, static_cast<std::uint64_t>(clock_time.seconds().count()), 2);
    out += '.';
    append_padded(out, static_cast<std::uint64_t>((exact - second).count()), 9);
    out += 'Z';
}

result<clock::time_point> parse_time(std::string_view text) noexcept
{
    using namespace std::chrono;
    // Positions of "YYYY-MM-DDTHH:MM:SS", then an optional fraction, then Z.
    if (text.size() < 20 || text.back() != 'Z') return errc::malformed;
    const auto digits = [text](std::size_t at, std::size_t count) {
        int value = 0;
        for (std::size_t i = at; i < at + count; ++i) {
            if (text[i] < '0' || text[i] > '9') return -1;
            value = value * 10 + (text[i] - '0');
        }
        return value;
    };
    if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') return errc::malformed;
    const int y = digits(0, 4), mo = digits(5, 2), d = digits(8, 2), h = digits(11, 2), mi = digits(14, 2), s = digits(17, 2);
    if (y < 1678 || y > 2261 || mo < 0 || d < 0 || h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 60)
        return errc::malformed;
    const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
    if (!date.ok()) return errc::malformed;
    std::int64_t fraction = 0;
    if (text.size() > 20) {
        const std::size_t count = text.size() - 21;
        if (text[19] != '.' || count == 0 || count > 9) return errc::malformed;
        const int value = digits(20, count);
        if (value < 0) return errc::malformed;
        fraction = value;
        for (std::size_t i = count; i < 9; ++i) fraction *= 10;
    }
    return sys_days(date) + hours(h) + minutes(mi) + seconds(s) + nanoseconds(fraction);
}

void append_base64(std::string& out, std::string_view raw)
{
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.reserve(out.size() + (raw.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < raw.size(); i += 3) {
        const auto at = [&](std::size_t n) -> unsigned { return n < raw.size() ? static_cast<unsigned char>(raw[n]) : 0U; };
        const unsigned group = (at(i) << 16) | (at(i + 1) << 8) | at(i + 2);
        out += digits[(group >> 18) & 63U];
        out += digits[(group >> 12) & 63U];
        out += i + 1 < raw.size() ? digits[(group >> 6) & 63U] : '=';
        out += i + 2 < raw.size() ? digits[group & 63U] : '=';
    }
}

void json_appender::name(std::string_view key)
{
    comma();
    out_ += '"';
    out_ += key;
    out_ += "\":";
}

void json_appender::number(std::string_view key, std::uint64_t value)
{
    name(key);
    append_number(out_, value);
}

void json_appender::signed_number(std::string_view key, std::int64_t value)
{
    name(key);
    append_number(out_, value);
}

void json_appender::real(std::string_view key, double value)
{
    name(key);
    append_number(out_, std::isfinite(value) ? value : 0.0); // JSON has no infinity
}

void json_appender::foreign(std::string_view key, std::string_view value)
{
    comma();
    if (key == "authority")
        out_ += "\"\\u0061uthority\"";
    else
        string(key);
    out_ += ':';
    string(value);
}

} // namespace cofferdam::audit
