#pragma once

#include "audit/record.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cofferdam::audit {

/// The text of JSON as the audit log uses it: printable ASCII only, so that a line is one line in every tool, locale and
/// terminal, and no quote or backslash-quote inside a string: a quote in a value is \u0022. Whoever greps for
/// `"name":"value"` can therefore match structure only, never something that a client sent.
///
/// Bytes that are not UTF-8 become the four characters \xNN; a backslash that stands before such a sequence in the
/// input becomes \x5c, so `raw_text` gives back exactly the bytes that came in.

/// Appends `value` with its quotes. At most `limit` characters of escaped text are written; the rest is replaced by
/// "[+N bytes]" (N counts the bytes left out). Returns true if it was cut.
bool append_string(std::string& out, std::string_view value, std::size_t limit = std::string::npos);

/// Undoes the \xNN form in a string that a JSON parser has already decoded.
std::string raw_text(std::string_view decoded);

/// RFC 3339, UTC, nine digits of seconds: "2025-10-21T21:36:48.691937519Z". Years outside 0..9999 are clamped.
void append_time(std::string& out, clock::time_point when);

/// Reads what append_time wrote, and any other RFC 3339 time in UTC with up to nine fraction digits.
result<clock::time_point> parse_time(std::string_view text) noexcept;

/// RFC 4648, with padding, without quotes.
void append_base64(std::string& out, std::string_view raw);

/// Appends one JSON text to a string; commas come by themselves. The caller keeps the nesting right.
class json_appender {
public:
    /// `limit`: as in append_string, for each string.
    explicit json_appender(std::string& out, std::size_t limit = std::string::npos) noexcept : out_(out), limit_(limit) {}

    void open()
    {
        comma();
        out_ += '{';
    }
    void open(std::string_view key)
    {
        name(key);
        out_ += '{';
    }
    void close() { out_ += '}'; }
    void open_list(std::string_view key)
    {
        name(key);
        out_ += '[';
    }
    void close_list() { out_ += ']'; }

    void text(std::string_view key, std::string_view value)
    {
        name(key);
        string(value);
    }
    /// Writes nothing for an empty value.
    void text_if(std::string_view key, std::string_view value)
    {
        if (!value.empty()) text(key, value);
    }
    void number(std::string_view key, std::uint64_t value);
    void signed_number(std::string_view key, std::int64_t value);
    void real(std::string_view key, double value);
    void boolean(std::string_view key, bool value)
    {
        name(key);
        out_ += value ? "true" : "false";
    }
    void item(std::string_view value)
    {
        comma();
        string(value);
    }

    /// A member whose name came from a client. The name "authority" is spelled with an escape, which JSON readers
    /// undo, so that only request.authority ever looks like `"authority":`.
    void foreign(std::string_view key, std::string_view value);

    bool cut() const noexcept { return cut_; }
    std::size_t limit() const noexcept { return limit_; }
    std::string& raw() noexcept { return out_; }

private:
    void comma()
    {
        if (!out_.empty() && out_.back() != '{' && out_.back() != '[' && out_.back() != '\n') out_ += ',';
    }
    void name(std::string_view key);
    void string(std::string_view value) { cut_ |= append_string(out_, value, limit_); }

    std::string& out_;
    std::size_t limit_;
    bool cut_ = false;
};

} // namespace cofferdam::audit
