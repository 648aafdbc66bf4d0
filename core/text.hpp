#pragma once

#include <string>
#include <string_view>

namespace cofferdam {

constexpr char to_lower(char c) noexcept
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// ASCII only, on purpose: protocol elements are never compared by locale.
std::string to_lower(std::string_view text);
/// `out` becomes that; it keeps its memory.
void assign_lower(std::string& out, std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// One printable line, whatever the peer sent: C0, DEL, C1 (as U+0080..U+009F too), line and paragraph separators,
/// bidirectional controls and bytes that are not UTF-8 come out as \xNN or \u{NNNN}; backslash as "\\".
/// For logs, reports and terminals; JSON sinks escape by JSON's own rules on top.
std::string escape_line(std::string_view untrusted);

/// The five characters that mean something in HTML text and attributes as references; for text that escape_line made.
std::string escape_html(std::string_view text);

/// True if `text` is well-formed UTF-8 (RFC 3629: no overlongs, no surrogates, at most U+10FFFF).
bool is_utf8(std::string_view text) noexcept;

} // namespace cofferdam
