#include "core/text.hpp"
#include "http/framing.hpp"
#include "http/grammar.hpp"
#include "http/start_line.hpp"

namespace cofferdam::http {
namespace {

/// RFC 9112, 6.3, in its order.
const fault* settle_body(const field_summary& summary, const response_context& context, response_head& out) noexcept
{
    if (const fault* why = frame(summary, out.minor, out.body, out.content_length)) return why;
    out.has_content_length = summary.lengths == 1;
    const bool framed = out.body == body_kind::chunked || out.content_length > 0;
    if (out.status < 200 || out.status == 204) {
        // A peer that believes the framing reads the next response as this one's body.
        if (framed) return &faults::body_not_allowed;
        out.body = body_kind::none;
        out.has_content_length = false; // "Content-Length: 0" with 204 is common, harmless, and not passed on (RFC 9110, 8.6)
        return nullptr;
    }
    if (out.status == 304 || context.request_method == "HEAD") {
        out.body = body_kind::none;
        return nullptr;
    }
    if (out.status < 300 && context.request_method == "CONNECT") return &faults::unsolicited_tunnel;
    if (summary.lengths == 0 && summary.encodings == 0) out.body = body_kind::until_close;
    return nullptr;
}

const fault* settle_connection(const field_summary& summary, const response_context& context, response_head& out) noexcept
{
    out.keep_alive = !summary.close && (out.minor == 1 || summary.keep_alive) && out.body != body_kind::until_close;
    if (out.status != 101) return nullptr;
    out.websocket_upgrade = context.upgrade_requested && context.request_method == "GET" && out.minor == 1 && summary.upgrade &&
                            out.upgrade.size() == 1 && lists_websocket(out.upgrade);
    return out.websocket_upgrade ? nullptr : &faults::unsolicited_upgrade;
}

const fault* parse(std::string_view head, const limits& bounds, const response_context& context, const head_scanner& scanner,
                   response_head& out)
{
    const auto line = scanner.start_line(head);
    if (const fault* why = parse_status_line(line, out)) return why;
    const auto block = head.substr(scanner.begin() + line.size() + 2);
    if (const fault* why = parse_fields(block, bounds.max_header_fields, out.fields)) return why;
    field_summary summary;
    if (const fault* why = summarise(out.fields, message_kind::response, summary, out.connection, out.upgrade)) return why;
    if (const fault* why = settle_body(summary, context, out)) return why;
    return settle_connection(summary, context, out);
}

void clear(response_head& out) noexcept
{
    out.status = 0;
    out.minor = 1;
    out.reason = {};
    out.fields.clear();
    out.upgrade.clear();
    out.connection.clear();
    out.body = body_kind::none;
    out.content_length = 0;
    out.has_content_length = out.keep_alive = out.websocket_upgrade = false;
    out.why = nullptr;
}

} // namespace

result<std::size_t> parse_response_head(std::string_view buffer, const limits& bounds, const response_context& context,
                                        response_head& out, head_scanner& scanner)
{
    const auto size = scanner.find_end(buffer, bounds);
    if (!size && scanner.why() == nullptr) return size.error();
    clear(out);
    out.why = scanner.why();
    if (out.why == nullptr) out.why = parse(buffer.substr(0, *size), bounds, context, scanner, out);
    if (out.why == nullptr) return *size;
    return out.why->code == errc::ambiguous ? errc::malformed : out.why->code;
}

result<std::size_t> parse_response_head(std::string_view buffer, const limits& bounds, const response_context& context,
                                        response_head& out)
{
    head_scanner scanner(message_kind::response);
    return parse_response_head(buffer, bounds, context, out, scanner);
}

} // namespace cofferdam::http
