#include "http/forward.hpp"

#include "core/text.hpp"
#include "http/grammar.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace cofferdam::http {
namespace {

/// Appends lines and knows how many it was meant to write.
class line_writer {
public:
    explicit line_writer(std::string& out) noexcept : out_(out), begin_(out.size()) {}

    void add(std::string_view text) { out_ += text; }
    void add_number(std::uint64_t value, int base = 10)
    {
        char digits[20];
        const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
        out_.append(digits, end);
    }
    void end_line()
    {
        out_ += "\r\n";
        ++lines_;
    }
    void add_field(std::string_view name, std::string_view value)
    {
        const std::size_t at = out_.size();
        out_.resize(at + name.size() + value.size() + 4);
        char* to = std::copy(name.begin(), name.end(), out_.data() + at);
        *to++ = ':';
        *to++ = ' ';
        to = std::copy(value.begin(), value.end(), to);
        *to++ = '\r';
        *to = '\n';
        ++lines_;
    }
    /// Aborts unless CR and LF stand exactly where end_line put them.
    void check() const noexcept
    {
        const auto text = std::string_view(out_).substr(begin_);
        if (std::count(text.begin(), text.end(), '\n') != lines_ || std::count(text.begin(), text.end(), '\r') != lines_)
            std::abort();
    }

private:
    std::string& out_;
    std::size_t begin_;
    std::ptrdiff_t lines_ = 0;
};

void require(bool invariant) noexcept
{
    if (!invariant) std::abort();
}

bool has_space_or_control(std::string_view text) noexcept
{
    return span_of(text, char_class::visible) != text.size();
}

void copy_end_to_end(const std::vector<field>& fields, const std::vector<std::string_view>& connection, std::vector<field>& out)
{
    out.clear();
    out.reserve(fields.size());
    for (const field& f : fields) {
        if (is_hop_by_hop(identify(f.name))) continue;
        const bool named = std::any_of(connection.begin(), connection.end(),
                                       [&f](std::string_view option) { return equals_ignoring_case(option, f.name); });
        if (!named) out.push_back(f);
    }
}

void write_end_to_end(line_writer& out, const std::vector<field>& fields)
{
    for (const auto& [name, value] : fields)
        if (!is_hop_by_hop(identify(name))) out.add_field(name, value);
}

void write_length(line_writer& out, std::uint64_t length)
{
    out.add("Content-Length: ");
    out.add_number(length);
    out.end_line();
}

void write_upgrade(line_writer& out)
{
    out.add_field("Connection", "Upgrade");
    out.add_field("Upgrade", "websocket");
}

} // namespace

void rebuild(const request_head& head, forward_request& out)
{
    out.method = head.method;
    out.target = head.origin_target;
    out.host = head.host;
    copy_end_to_end(head.fields, head.connection, out.fields);
    out.body = head.body;
    out.content_length = head.content_length;
    out.expect_continue = head.expect_continue;
    out.websocket_upgrade = head.websocket_upgrade;
    out.close = false;
}

void rebuild(const response_head& head, unsigned client_minor, bool client_keep_alive, forward_response& out)
{
    out.status = head.status;
    out.reason = head.reason;
    copy_end_to_end(head.fields, head.connection, out.fields);
    out.body = head.body;
    if (client_minor == 0 && out.body == body_kind::chunked) out.body = body_kind::until_close;
    out.content_length.reset();
    if (head.has_content_length) out.content_length = head.content_length;
    out.websocket_upgrade = head.websocket_upgrade;
    out.close = !client_keep_alive || out.body == body_kind::until_close;
    out.announce_keep_alive = client_minor == 0 && !out.close;
}

void write_request_head(std::string& out, const forward_request& request)
{
    require(is_token(request.method) && !request.target.empty() && !has_space_or_control(request.target));
    require(!request.host.empty() && !has_space_or_control(request.host) && request.body != body_kind::until_close);
    line_writer lines(out);
    lines.add(request.method);
    lines.add(" ");
    lines.add(request.target);
    lines.add(" HTTP/1.1");
    lines.end_line();
    lines.add_field("Host", request.host);
    write_end_to_end(lines, request.fields);
    if (request.body == body_kind::length) write_length(lines, request.content_length);
    if (request.body == body_kind::chunked) lines.add_field("Transfer-Encoding", "chunked");
    if (request.expect_continue) lines.add_field("Expect", "100-continue");
    if (request.websocket_upgrade)
        write_upgrade(lines);
    else if (request.close)
        lines.add_field("Connection", "close");
    lines.end_line();
    lines.check();
}

void write_response_head(std::string& out, const forward_response& response)
{
    require(response.status >= 100 && response.status <= 599);
    require(response.body != body_kind::length || response.content_length.has_value());
    line_writer lines(out);
    lines.add("HTTP/1.1 ");
    lines.add_number(response.status);
    lines.add(" ");
    lines.add(response.reason.empty() ? reason_phrase(response.status) : response.reason);
    lines.end_line();
    write_end_to_end(lines, response.fields);
    const bool framed_elsewhere = response.body == body_kind::chunked || response.body == body_kind::until_close;
    if (response.content_length && !framed_elsewhere) write_length(lines, *response.content_length);
    if (response.body == body_kind::chunked) lines.add_field("Transfer-Encoding", "chunked");
    const bool interim = response.status < 200;
    if (response.websocket_upgrade)
        write_upgrade(lines);
    else if (!interim && (response.close || response.body == body_kind::until_close))
        lines.add_field("Connection", "close");
    else if (!interim && response.announce_keep_alive)
        lines.add_field("Connection", "keep-alive");
    lines.end_line();
    lines.check();
}

void write_chunk_header(std::string& out, std::size_t size)
{
    require(size != 0);
    line_writer lines(out);
    lines.add_number(size, 16);
    lines.end_line();
}

void write_chunk(std::string& out, std::string_view data)
{
    if (data.empty()) return;
    write_chunk_header(out, data.size());
    out += data;
    out += chunk_end;
}

void write_last_chunk(std::string& out, std::span<const std::pair<std::string, std::string>> trailers)
{
    line_writer lines(out);
    lines.add("0");
    lines.end_line();
    for (const auto& [name, value] : trailers) lines.add_field(name, value);
    lines.end_line();
    lines.check();
}

} // namespace cofferdam::http
