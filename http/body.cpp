#include "http/body.hpp"

#include "core/text.hpp"
#include "http/grammar.hpp"

#include <algorithm>
#include <array>

namespace cofferdam::http {
namespace {

constexpr std::size_t max_size_digits = 16;

// A body of one-byte chunks with long extensions costs far more to read than it carries (CVE-2023-39326). Each chunk may
// have this much framing, and twice its size, for free; what is beyond adds up to the bound.
constexpr std::size_t free_overhead = 16;
constexpr std::size_t max_overhead = 16384;

int hex_value(char c) noexcept
{
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

constexpr auto dropped_trailers = std::to_array<std::string_view>({
    "accept-ranges",
    "age",
    "allow",
    "alt-svc",
    "authorization",
    "cache-control",
    "clear-site-data",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expires",
    "forwarded",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "trailer",
    "vary",
    "via",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
});

} // namespace

trailer_rule judge_trailer(std::string_view name) noexcept
{
    switch (identify(name)) {
    case field_id::other: break;
    case field_id::host:
    case field_id::content_length:
    case field_id::transfer_encoding:
    case field_id::framing_lookalike:
    case field_id::connection:
    case field_id::upgrade:
    case field_id::expect: return trailer_rule::refuse;
    default: return trailer_rule::drop;
    }
    const bool drop = std::any_of(dropped_trailers.begin(), dropped_trailers.end(),
                                  [name](std::string_view other) { return equals_ignoring_case(name, other); });
    return drop ? trailer_rule::drop : trailer_rule::keep;
}

body_decoder::body_decoder(body_kind kind, std::uint64_t length, const limits& bounds) noexcept
    : stage_(stage::done), max_line_(bounds.max_chunk_line), max_trailer_(bounds.max_trailer),
      max_fields_(bounds.max_header_fields)
{
    switch (kind) {
    case body_kind::none: break;
    case body_kind::length:
        remaining_ = length;
        if (length > 0) stage_ = stage::length;
        break;
    case body_kind::chunked: stage_ = stage::size; break;
    case body_kind::until_close: stage_ = stage::until_close; break;
    }
}

result<body_decoder::step> body_decoder::next(std::string_view input)
{
    if (why_ != nullptr) return why_->code;
    std::size_t used = 0;
    while (used < input.size() && stage_ != stage::done) {
        if (stage_ == stage::data || stage_ == stage::length || stage_ == stage::until_close) {
            auto out = take_payload(input.substr(used));
            out.consumed += used;
            return out;
        }
        why_ = consume(input[used]);
        if (why_ != nullptr) return why_->code;
        ++used;
    }
    return step{used, {}, done()};
}

result<void> body_decoder::end_of_input() noexcept
{
    if (why_ != nullptr) return why_->code;
    if (stage_ == stage::until_close) stage_ = stage::done;
    if (stage_ == stage::done) return {};
    why_ = &faults::body_cut;
    return why_->code;
}

body_decoder::step body_decoder::take_payload(std::string_view input) noexcept
{
    if (stage_ == stage::until_close) return {input.size(), input, false};
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
    remaining_ -= size;
    if (remaining_ == 0) stage_ = stage_ == stage::length ? stage::done : stage::data_cr;
    return {size, input.substr(0, size), done()};
}

const fault* body_decoder::consume(char c)
{
    if (in_chunk_line() && c != '\r' && c != '\n' && ++line_size_ > max_line_) return &faults::chunk_line_size;
    switch (stage_) {
    case stage::size: return on_size(c);
    case stage::line_end: return on_line_end(c);
    case stage::data_cr: stage_ = stage::data_lf; return c == '\r' ? nullptr : &faults::chunk_end;
    case stage::data_lf: stage_ = stage::size; return c == '\n' ? nullptr : &faults::chunk_end;
    case stage::trailer: return on_trailer(c);
    default: return on_extension(c);
    }
}

const fault* body_decoder::on_size(char c) noexcept
{
    const int digit = hex_value(c);
    if (digit < 0) return line_size_ > (c == '\r' || c == '\n' ? 0U : 1U) ? after_element(c) : &faults::chunk_size;
    // Digits are counted, not only summed up: thousands of leading zeros are somebody's parser test.
    if (line_size_ > max_size_digits || (remaining_ >> 59) != 0) return &faults::chunk_overflow;
    remaining_ = (remaining_ << 4) | static_cast<std::uint64_t>(digit);
    return nullptr;
}

/// After a size, or after the name or value of an extension: another extension or the end of the line. White space is
/// refused here although RFC 9112, 7.1.1 lets a recipient skip it: senders must not write it.
const fault* body_decoder::after_element(char c) noexcept
{
    if (c == ';')
        stage_ = stage::extension_name_first;
    else if (c == '\r')
        stage_ = stage::line_end;
    else if (c == '\n')
        return &faults::bare_lf;
    else
        return stage_ == stage::size ? &faults::chunk_size : &faults::chunk_extension;
    return nullptr;
}

const fault* body_decoder::on_extension(char c) noexcept
{
    const bool token = is_in(c, char_class::token);
    switch (stage_) {
    case stage::extension_name_first: stage_ = stage::extension_name; return token ? nullptr : &faults::chunk_extension;
    case stage::extension_name:
        if (token) return nullptr;
        if (c != '=') return after_element(c);
        stage_ = stage::extension_value_first;
        return nullptr;
    case stage::extension_value_first:
        stage_ = c == '"' ? stage::quoted : stage::extension_value;
        return token || c == '"' ? nullptr : &faults::chunk_extension;
    case stage::extension_value: return token ? nullptr : after_element(c);
    default: return on_quoted(c);
    }
}

const fault* body_decoder::on_quoted(char c) noexcept
{
    if (stage_ == stage::quoted_end) return after_element(c);
    if (!is_in(c, char_class::value)) return &faults::chunk_extension;
    if (stage_ == stage::quoted_pair)
        stage_ = stage::quoted;
    else if (c == '\\')
        stage_ = stage::quoted_pair;
    else if (c == '"')
        stage_ = stage::quoted_end;
    return nullptr;
}

const fault* body_decoder::on_line_end(char c) noexcept
{
    if (c != '\n') return &faults::bare_cr;
    const std::uint64_t paid = free_overhead + 2 * std::min<std::uint64_t>(remaining_, max_overhead);
    overhead_ += line_size_;
    overhead_ -= static_cast<std::size_t>(std::min<std::uint64_t>(paid, overhead_));
    if (overhead_ > max_overhead) return &faults::chunk_overhead;
    line_size_ = 0;
    stage_ = remaining_ > 0 ? stage::data : stage::trailer;
    return nullptr;
}

const fault* body_decoder::on_trailer(char c)
{
    if (trailer_.size() == max_trailer_) return &faults::trailer_size;
    const bool after_cr = !trailer_.empty() && trailer_.back() == '\r';
    trailer_.push_back(c);
    if (c != '\n') return nullptr;
    if (!after_cr) return &faults::bare_lf;
    const bool empty_line = trailer_.size() - trailer_line_ == 2;
    trailer_line_ = trailer_.size();
    return empty_line ? finish_trailer() : nullptr;
}

const fault* body_decoder::finish_trailer()
{
    std::vector<field> fields;
    if (const fault* why = parse_fields(trailer_, max_fields_, fields)) return why;
    for (const auto& [name, value] : fields) {
        const auto rule = judge_trailer(name);
        if (rule == trailer_rule::refuse) return &faults::trailer_field;
        if (rule == trailer_rule::keep) trailers_.emplace_back(name, value);
    }
    stage_ = stage::done;
    return nullptr;
}

} // namespace cofferdam::http
