#include "core/text.hpp"
#include "http/framing.hpp"
#include "http/grammar.hpp"
#include "http/start_line.hpp"

namespace cofferdam::http {
namespace {

const fault* settle_host(const field_summary& summary, request_head& out) noexcept
{
    if (summary.hosts > 1) return &faults::host_repeated;
    if (summary.hosts == 0 && out.minor != 0) return &faults::host_missing;
    const bool target_names_host = out.form == target_form::absolute || out.form == target_form::authority;
    // RFC 9112, 3.2.2 lets the target win; a Host that says something else is still not passed on to be believed.
    if (target_names_host && summary.hosts == 1 && !equals_ignoring_case(summary.host, out.host)) return &faults::host_differs;
    if (!target_names_host) out.host = summary.host;
    if (summary.hosts == 0 && !target_names_host) return nullptr;
    const auto where = parse_authority(out.host);
    if (!where) return &faults::host_syntax;
    out.where = *where;
    return nullptr;
}

const fault* settle_body(const field_summary& summary, request_head& out) noexcept
{
    if (const fault* why = frame(summary, out.minor, out.body, out.content_length)) return why;
    const bool has_body = out.body == body_kind::chunked || out.content_length > 0;
    if (has_body && (out.method == "TRACE" || out.method == "CONNECT")) return &faults::body_not_allowed;
    if (summary.expects > 0) {
        if (summary.expects > 1 || !equals_ignoring_case(summary.expect, "100-continue")) return &faults::expectation;
        out.expect_continue = out.minor == 1 && has_body;
    }
    return nullptr;
}

void settle_connection(const field_summary& summary, request_head& out) noexcept
{
    out.keep_alive = !summary.close && (out.minor == 1 || summary.keep_alive);
    out.websocket_upgrade = out.method == "GET" && out.minor == 1 && out.form != target_form::asterisk &&
                            out.body == body_kind::none && summary.upgrade && summary.websocket_keys == 1 &&
                            summary.websocket_versions == 1 && lists_websocket(out.upgrade);
}

const fault* parse(std::string_view head, const limits& bounds, const head_scanner& scanner, request_head& out)
{
    const auto line = scanner.start_line(head);
    if (const fault* why = parse_request_line(line, out)) return why;
    const auto block = head.substr(scanner.begin() + line.size() + 2);
    if (const fault* why = parse_fields(block, bounds.max_header_fields, out.fields)) return why;
    field_summary summary;
    if (const fault* why = summarise(out.fields, message_kind::request, summary, out.connection, out.upgrade)) return why;
    if (const fault* why = settle_host(summary, out)) return why;
    if (const fault* why = settle_body(summary, out)) return why;
    settle_connection(summary, out);
    return nullptr;
}

/// Clears everything but keeps the vectors' memory, so that a connection's later requests allocate nothing.
void clear(request_head& out) noexcept
{
    out.method = out.target = out.scheme = out.host = out.origin_target = {};
    out.minor = 1;
    out.form = target_form::origin;
    out.where = {};
    out.fields.clear();
    out.upgrade.clear();
    out.connection.clear();
    out.body = body_kind::none;
    out.content_length = 0;
    out.keep_alive = out.expect_continue = out.websocket_upgrade = false;
    out.why = nullptr;
}

} // namespace

result<std::size_t> parse_request_head(std::string_view buffer, const limits& bounds, request_head& out, head_scanner& scanner)
{
    const auto size = scanner.find_end(buffer, bounds);
    if (!size && scanner.why() == nullptr) return size.error();
    clear(out);
    out.why = scanner.why();
    if (out.why != nullptr && scanner.has_start_line()) parse_request_line(scanner.start_line(buffer), out); // for the record
    if (out.why == nullptr) out.why = parse(buffer.substr(0, *size), bounds, scanner, out);
    if (out.why != nullptr) return out.why->code;
    return *size;
}

result<std::size_t> parse_request_head(std::string_view buffer, const limits& bounds, request_head& out)
{
    head_scanner scanner(message_kind::request);
    return parse_request_head(buffer, bounds, out, scanner);
}

} // namespace cofferdam::http
