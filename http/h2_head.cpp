#include "http/h2_head.hpp"

#include "core/text.hpp"
#include "http/body.hpp"
#include "http/grammar.hpp"

#include <algorithm>
#include <cstdlib>

namespace cofferdam::http {
namespace {

/// What stands in for the handshake key that HTTP/2 does not have, while the HTTP/1.1 parser reads the head.
constexpr std::string_view websocket_lines = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: h2\r\n";
constexpr std::string_view chunked_line = "transfer-encoding: chunked\r\n";

struct pseudo_fields {
    const std::string* method = nullptr;
    const std::string* scheme = nullptr;
    const std::string* authority = nullptr;
    const std::string* path = nullptr;
    const std::string* protocol = nullptr;
    const std::string* status = nullptr;

    const std::string** slot(std::string_view name) noexcept
    {
        if (name == ":method") return &method;
        if (name == ":scheme") return &scheme;
        if (name == ":authority") return &authority;
        if (name == ":path") return &path;
        if (name == ":protocol") return &protocol;
        return name == ":status" ? &status : nullptr;
    }
    bool of_request() const noexcept { return method || scheme || authority || path || protocol; }
};

/// RFC 9113, 8.2.1 and 8.2.2.
const fault* check_regular(const std::string& name, const std::string& value) noexcept
{
    const bool upper = std::any_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (upper || !is_token(name)) return &faults::field_name;
    const bool padded = !value.empty() && (is_ows(value.front()) || is_ows(value.back()));
    if (padded || span_of(value, char_class::value) != value.size()) return &faults::field_value;
    switch (identify(name)) {
    case field_id::connection:
    case field_id::keep_alive:
    case field_id::proxy_connection:
    case field_id::transfer_encoding:
    case field_id::http2_settings:
    case field_id::upgrade: return &faults::connection_field;
    case field_id::te: return equals_ignoring_case(value, "trailers") ? nullptr : &faults::connection_field;
    default: return nullptr;
    }
}

const fault* split(const field_list& fields, pseudo_fields& pseudo, std::size_t& first_regular)
{
    first_regular = 0;
    for (const auto& [name, value] : fields) {
        if (!name.starts_with(':')) break;
        const auto** slot = pseudo.slot(name);
        if (!slot || *slot) return &faults::pseudo_field;
        *slot = &value;
        ++first_regular;
    }
    for (std::size_t i = first_regular; i < fields.size(); ++i) {
        if (fields[i].first.starts_with(':')) return &faults::pseudo_field;
        if (const fault* why = check_regular(fields[i].first, fields[i].second)) return why;
    }
    return nullptr;
}

void add_line(std::string& out, std::string_view name, std::string_view value)
{
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
}

/// Regular fields as lines. Cookie crumbs become one field again (RFC 9113, 8.2.3); `skip` names a field to leave out.
void add_fields(std::string& out, const field_list& fields, std::size_t first, std::string_view skip)
{
    std::string cookies;
    for (std::size_t i = first; i < fields.size(); ++i) {
        const auto& [name, value] = fields[i];
        if (name == skip || name == "host") continue;
        if (name == "cookie") {
            if (!cookies.empty()) cookies += "; ";
            cookies += value;
            continue;
        }
        add_line(out, name, value);
    }
    if (!cookies.empty()) add_line(out, "cookie", cookies);
}

bool has_field(const field_list& fields, std::size_t first, std::string_view name) noexcept
{
    const auto named = [name](const auto& each) { return each.first == name; };
    return std::any_of(fields.begin() + static_cast<std::ptrdiff_t>(first), fields.end(), named);
}

bool is_visible(std::string_view text) noexcept
{
    return !text.empty() && span_of(text, char_class::visible) == text.size();
}

/// Host may be there instead of :authority, or beside it and say the same (RFC 9113, 8.3.1).
const fault* settle_authority(const field_list& fields, std::size_t first, const pseudo_fields& pseudo, std::string& out)
{
    const std::string* host = nullptr;
    for (std::size_t i = first; i < fields.size(); ++i) {
        if (fields[i].first != "host") continue;
        if (host) return &faults::host_repeated;
        host = &fields[i].second;
    }
    if (!pseudo.authority && !host) return &faults::host_missing;
    if (pseudo.authority && host && !equals_ignoring_case(*pseudo.authority, *host)) return &faults::host_differs;
    out = pseudo.authority ? *pseudo.authority : *host;
    return is_visible(out) ? nullptr : &faults::host_syntax;
}

bool is_websocket(const pseudo_fields& pseudo) noexcept
{
    return *pseudo.method == "CONNECT" && pseudo.protocol && equals_ignoring_case(*pseudo.protocol, "websocket");
}

/// RFC 9113, 8.3.1 and 8.5; RFC 8441, 4.
const fault* check_pseudo(const pseudo_fields& pseudo, bool ends) noexcept
{
    if (!pseudo.method || !is_token(*pseudo.method) || pseudo.status) return &faults::pseudo_field;
    const bool connects = *pseudo.method == "CONNECT";
    if (pseudo.protocol && !connects) return &faults::pseudo_field;
    if (connects && !pseudo.protocol) return pseudo.scheme || pseudo.path ? &faults::pseudo_field : nullptr;
    if (!pseudo.scheme || !pseudo.path || !is_token(*pseudo.scheme)) return &faults::pseudo_field;
    const std::string& path = *pseudo.path;
    if (!is_visible(path) || (path[0] != '/' && path != "*")) return &faults::target;
    return connects && ends ? &faults::websocket_handshake : nullptr;
}

/// What the record of a malformed request can say of it.
void describe(const pseudo_fields& pseudo, std::string& bytes, request_head& out)
{
    if (!pseudo.method || !is_token(*pseudo.method)) return;
    bytes = *pseudo.method;
    if (pseudo.path && is_visible(*pseudo.path)) bytes += *pseudo.path;
    out.method = std::string_view(bytes).substr(0, pseudo.method->size());
    out.target = out.origin_target = std::string_view(bytes).substr(pseudo.method->size());
}

/// A tunnel: nothing of it is carried, so only what the record says of it is read.
const fault* read_connect(const std::string& authority, std::string& bytes, request_head& out)
{
    bytes = authority;
    out.method = "CONNECT";
    out.form = target_form::authority;
    out.host = out.target = out.origin_target = bytes;
    return nullptr;
}

const fault* parse(const std::string& bytes, const limits& bounds, request_head& out)
{
    const auto size = parse_request_head(bytes, bounds, out);
    if (size) return *size == bytes.size() ? nullptr : &faults::pseudo_field;
    return out.why != nullptr ? out.why : &faults::start_line;
}

/// Written as an HTTP/1.1 head and read by the parser of those, so that both versions are judged alike.
const fault* read_request(const field_list& fields, std::size_t first, const pseudo_fields& pseudo, const std::string& authority,
                          bool ends, const limits& bounds, std::string& bytes, request_head& out)
{
    const bool websocket = is_websocket(pseudo);
    const bool chunked = !ends && !websocket && !has_field(fields, first, "content-length");
    bytes = websocket ? "GET" : *pseudo.method;
    bytes += ' ';
    bytes += *pseudo.path;
    bytes += " HTTP/1.1\r\n";
    add_line(bytes, "host", authority);
    if (websocket) bytes += websocket_lines;
    if (chunked) bytes += chunked_line;
    add_fields(bytes, fields, first, websocket ? "sec-websocket-key" : "");
    bytes += "\r\n";
    const std::size_t head = bytes.size();
    bytes.reserve(head + pseudo.scheme->size()); // `out` views it: it must not move
    if (const fault* why = parse(bytes, bounds, out)) return why;
    bytes += *pseudo.scheme;
    out.scheme = std::string_view(bytes).substr(head);
    const std::ptrdiff_t added = websocket ? 3 : chunked ? 1 : 0;
    out.fields.erase(out.fields.begin() + 1, out.fields.begin() + 1 + added); // what nobody sent is not recorded
    return websocket && !out.websocket_upgrade ? &faults::websocket_handshake : nullptr;
}

} // namespace

const fault* read_h2_request(const field_list& fields, bool ends, const limits& bounds, std::string& bytes, request_head& out)
{
    auto memory = std::move(out.fields);
    memory.clear();
    out = request_head{};
    out.fields = std::move(memory);
    bytes.clear();
    pseudo_fields pseudo;
    std::size_t first = 0;
    const fault* why = split(fields, pseudo, first);
    std::string authority;
    if (!why) why = check_pseudo(pseudo, ends);
    if (!why) why = settle_authority(fields, first, pseudo, authority);
    if (why) {
        describe(pseudo, bytes, out);
        return why;
    }
    if (*pseudo.method == "CONNECT" && !is_websocket(pseudo)) return read_connect(authority, bytes, out);
    return read_request(fields, first, pseudo, authority, ends, bounds, bytes, out);
}

const fault* read_h2_response(const field_list& fields, bool ends, std::string_view method, const limits& bounds,
                              std::string& bytes, response_head& out)
{
    out = response_head{};
    bytes.clear();
    pseudo_fields pseudo;
    std::size_t first = 0;
    if (const fault* why = split(fields, pseudo, first)) return why;
    if (!pseudo.status || pseudo.of_request()) return &faults::pseudo_field;
    bytes = "HTTP/1.1 ";
    bytes += *pseudo.status;
    bytes += " \r\n";
    add_fields(bytes, fields, first, "");
    bytes += "\r\n";
    response_context context;
    context.request_method = method;
    const auto size = parse_response_head(bytes, bounds, context, out);
    if (!size) return out.why != nullptr ? out.why : &faults::start_line;
    if (*size != bytes.size() || pseudo.status->size() != 3 || out.status == 101) return &faults::pseudo_field;
    if (out.interim() && ends) return &faults::body_not_allowed;
    out.keep_alive = true;
    return nullptr;
}

const fault* read_h2_trailers(const field_list& fields, const limits& bounds, field_list& out)
{
    out.clear();
    std::size_t size = 0;
    for (const auto& [name, value] : fields) {
        if (name.starts_with(':')) return &faults::pseudo_field;
        if (const fault* why = check_regular(name, value)) return why;
        size += name.size() + value.size() + 4;
        if (size > bounds.max_trailer) return &faults::trailer_size;
        const auto rule = judge_trailer(name);
        if (rule == trailer_rule::refuse) return &faults::trailer_field;
        if (rule == trailer_rule::keep) out.emplace_back(name, value);
    }
    return fields.size() > bounds.max_header_fields ? &faults::field_count : nullptr;
}

namespace {

void add(field_list& out, std::string_view name, std::string_view value)
{
    // Every value came through a parser or the policy.
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) std::abort();
    out.emplace_back(to_lower(name), value);
}

void add_end_to_end(field_list& out, const std::vector<field>& fields)
{
    for (const auto& [name, value] : fields)
        if (!is_hop_by_hop(identify(name))) add(out, name, value);
}

} // namespace

field_list write_h2_request(const forward_request& request, std::string_view scheme, bool te_trailers)
{
    field_list out;
    out.reserve(request.fields.size() + 8);
    add(out, ":method", request.websocket_upgrade ? "CONNECT" : request.method);
    if (request.websocket_upgrade) add(out, ":protocol", "websocket");
    add(out, ":scheme", scheme);
    add(out, ":authority", request.host);
    add(out, ":path", request.target);
    for (const auto& [name, value] : request.fields) {
        const auto id = identify(name);
        if (is_hop_by_hop(id) || (request.websocket_upgrade && id == field_id::websocket_key)) continue;
        add(out, name, value);
    }
    if (request.body == body_kind::length) add(out, "content-length", std::to_string(request.content_length));
    if (request.expect_continue) add(out, "expect", "100-continue");
    if (te_trailers) add(out, "te", "trailers");
    return out;
}

field_list write_h2_response(const forward_response& response)
{
    field_list out;
    out.reserve(response.fields.size() + 2);
    add(out, ":status", std::to_string(response.status));
    add_end_to_end(out, response.fields);
    const bool framed_elsewhere = response.body == body_kind::chunked || response.body == body_kind::until_close;
    if (response.content_length && !framed_elsewhere) add(out, "content-length", std::to_string(*response.content_length));
    return out;
}

} // namespace cofferdam::http
