#include "http/grammar.hpp"
#include "http/head.hpp"
#include "http/start_line.hpp"

#include <algorithm>
#include <cstring>

namespace cofferdam::http {
namespace {

const fault* check_start_line(message_kind kind, std::string_view line) noexcept
{
    if (kind == message_kind::request) {
        request_head scratch;
        return parse_request_line(line, scratch);
    }
    response_head scratch;
    return parse_status_line(line, scratch);
}

} // namespace

result<std::size_t> head_scanner::find_end(std::string_view buffer, const limits& bounds)
{
    if (why_ == nullptr && stage_ != stage::complete) why_ = scan(buffer, bounds);
    if (why_ == nullptr && stage_ == stage::complete) return position_; // whoever parses the head now judges the start line
    if (has_start_line() && !start_checked_) {
        // Not after the fields: a wrong version or HTTP/0.9 is answered at once, and a fault in the start line is the one
        // that is reported, however the bytes arrived.
        start_checked_ = true;
        if (const fault* why = check_start_line(kind_, start_line(buffer))) why_ = why;
    }
    if (why_ == nullptr) return errc::need_more;
    return why_->code;
}

const fault* head_scanner::scan(std::string_view buffer, const limits& bounds)
{
    starved_ = false;
    while (!starved_ && stage_ != stage::complete) {
        const fault* why = nullptr;
        switch (stage_) {
        case stage::leading: why = scan_leading(buffer); break;
        case stage::start_line: why = scan_start_line(buffer, bounds); break;
        case stage::fields: why = scan_fields(buffer, bounds); break;
        case stage::complete: break;
        }
        if (why != nullptr) return why;
    }
    return nullptr;
}

const fault* head_scanner::scan_leading(std::string_view buffer)
{
    if (position_ == buffer.size()) {
        starved_ = true;
        return nullptr;
    }
    if (kind_ == message_kind::response || buffer[position_] != '\r') {
        stage_ = stage::start_line;
        started_ = true;
        return nullptr;
    }
    if (begin_ != 0) return &faults::leading_lines;
    if (buffer.size() - position_ < 2) {
        starved_ = true;
        return nullptr;
    }
    if (buffer[position_ + 1] != '\n') return &faults::bare_cr;
    position_ = begin_ = 2;
    return nullptr;
}

const fault* head_scanner::scan_start_line(std::string_view buffer, const limits& bounds)
{
    const std::size_t longest = begin_ + std::min(bounds.max_start_line, bounds.max_head);
    const std::size_t window = std::min(buffer.size(), longest + 1);
    // A reason phrase may hold HTAB and obs-text; a request line holds neither.
    const bool request = kind_ == message_kind::request;
    const std::uint8_t allowed = request ? char_class::visible : char_class::value;
    while (position_ < window && (is_in(buffer[position_], allowed) || buffer[position_] == ' ')) ++position_;
    if (position_ > longest) return &faults::start_line_size;
    if (position_ == buffer.size()) {
        starved_ = true;
        return nullptr;
    }
    if (buffer[position_] == '\n') return &faults::bare_lf;
    if (buffer[position_] != '\r') return &faults::start_line;
    if (position_ + 1 == buffer.size()) {
        starved_ = true;
        return nullptr;
    }
    if (buffer[position_ + 1] != '\n') return &faults::bare_cr;
    start_end_ = position_;
    position_ += 2;
    line_ = position_;
    stage_ = stage::fields;
    return nullptr;
}

const fault* head_scanner::scan_fields(std::string_view buffer, const limits& bounds)
{
    const std::size_t window = std::min(buffer.size(), begin_ + bounds.max_head);
    while (position_ < window) {
        const void* found = std::memchr(buffer.data() + position_, '\n', window - position_);
        if (found == nullptr) {
            position_ = window;
            break;
        }
        const auto feed = static_cast<std::size_t>(static_cast<const char*>(found) - buffer.data());
        if (buffer[feed - 1] != '\r') return &faults::bare_lf;
        position_ = feed + 1;
        if (feed - 1 == line_) {
            stage_ = stage::complete;
            return nullptr;
        }
        line_ = position_;
    }
    starved_ = true;
    return window == begin_ + bounds.max_head ? &faults::head_size : nullptr;
}

} // namespace cofferdam::http
