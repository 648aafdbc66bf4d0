#include "http/framing.hpp"

#include "core/text.hpp"
#include "http/grammar.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace cofferdam::http {
namespace {

/// Fields for the origin, not for this hop: a Connection option of that name would make the gateway hide what the policy
/// judged. RFC 9110, 7.6.1 forbids senders to list them.
constexpr std::array<std::string_view, 12> end_to_end_names = {
    "host",          "content-length", "content-type", "content-encoding", "authorization", "cookie",
    "cache-control", "expect",         "range",        "location",         "set-cookie",    "user-agent"};

bool may_be_option(std::string_view name, message_kind kind) noexcept
{
    // Large CDNs send "Connection: Transfer-Encoding" in responses. It is hop-by-hop there anyway.
    if (equals_ignoring_case(name, "transfer-encoding")) return kind == message_kind::response;
    if (kind == message_kind::response) return !equals_ignoring_case(name, "content-length");
    return std::none_of(end_to_end_names.begin(), end_to_end_names.end(),
                        [name](std::string_view other) { return equals_ignoring_case(name, other); });
}

const fault* read_connection(std::string_view value, message_kind kind, field_summary& out,
                             std::vector<std::string_view>& options)
{
    for (std::string_view option; next_element(value, option);) {
        if (!is_token(option)) return &faults::connection_syntax;
        if (equals_ignoring_case(option, "close"))
            out.close = true;
        else if (equals_ignoring_case(option, "keep-alive"))
            out.keep_alive = true;
        else if (equals_ignoring_case(option, "upgrade"))
            out.upgrade = true;
        else {
            if (!may_be_option(option, kind)) return &faults::connection_names_field;
            if (options.size() == max_connection_options) return &faults::option_count;
            options.push_back(option);
        }
    }
    return nullptr;
}

const fault* read_upgrade(std::string_view value, std::vector<std::string_view>& protocols)
{
    for (std::string_view protocol; next_element(value, protocol);) {
        const std::size_t slash = protocol.find('/');
        const bool valid =
            is_token(protocol.substr(0, slash)) && (slash == std::string_view::npos || is_token(protocol.substr(slash + 1)));
        if (!valid) return &faults::connection_syntax;
        if (protocols.size() == max_connection_options) return &faults::option_count;
        protocols.push_back(protocol);
    }
    return nullptr;
}

const fault* parse_length(std::string_view text, std::uint64_t& out) noexcept
{
    // A leading zero is legal and means octal to some; no real sender writes one.
    if (text.empty() || span_of(text, char_class::digit) != text.size() || (text.size() > 1 && text[0] == '0'))
        return &faults::length_syntax;
    constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
    std::uint64_t value = 0;
    for (const char c : text) {
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (value > (largest - digit) / 10) return &faults::length_overflow;
        value = value * 10 + digit;
    }
    out = value;
    return nullptr;
}

const fault* check_encoding(std::string_view value) noexcept
{
    if (equals_ignoring_case(value, "chunked")) return nullptr;
    // "gzip, chunked" is legal and not carried; "chunked, gzip", "chunked, chunked", "xchunked" are attacks.
    bool last_is_chunked = false;
    unsigned chunked = 0;
    for (std::string_view coding; next_element(value, coding);) {
        if (!is_token(coding)) return &faults::coding_syntax;
        last_is_chunked = equals_ignoring_case(coding, "chunked");
        if (last_is_chunked) ++chunked;
    }
    return last_is_chunked && chunked == 1 ? &faults::coding_unsupported : &faults::coding_syntax;
}

} // namespace

const fault* summarise(const std::vector<field>& fields, message_kind kind, field_summary& out,
                       std::vector<std::string_view>& connection, std::vector<std::string_view>& upgrade)
{
    connection.clear();
    upgrade.clear();
    for (const auto& [name, value] : fields) {
        const fault* why = nullptr;
        switch (identify(name)) {
        case field_id::host:
            ++out.hosts;
            out.host = value;
            break;
        case field_id::content_length:
            ++out.lengths;
            out.content_length = value;
            break;
        case field_id::transfer_encoding:
            ++out.encodings;
            out.transfer_encoding = value;
            break;
        case field_id::framing_lookalike: why = &faults::framing_lookalike; break;
        case field_id::connection: why = read_connection(value, kind, out, connection); break;
        case field_id::upgrade: why = read_upgrade(value, upgrade); break;
        case field_id::expect:
            ++out.expects;
            out.expect = value;
            break;
        case field_id::websocket_key: ++out.websocket_keys; break;
        case field_id::websocket_version: out.websocket_versions += value == "13" ? 1U : 2U; break;
        default: break;
        }
        if (why != nullptr) return why;
    }
    return nullptr;
}

const fault* frame(const field_summary& summary, unsigned minor, body_kind& body, std::uint64_t& length) noexcept
{
    body = body_kind::none;
    length = 0;
    if (summary.lengths > 0 && summary.encodings > 0) return &faults::both_framings;
    if (summary.lengths > 1) return &faults::length_repeated;
    if (summary.lengths == 1) {
        body = body_kind::length;
        return parse_length(summary.content_length, length);
    }
    if (summary.encodings == 0) return nullptr;
    if (minor == 0) return &faults::coding_in_http10;
    if (summary.encodings > 1) return &faults::coding_syntax;
    body = body_kind::chunked;
    return check_encoding(summary.transfer_encoding);
}

bool lists_websocket(const std::vector<std::string_view>& upgrade) noexcept
{
    return std::any_of(upgrade.begin(), upgrade.end(), [](std::string_view p) { return equals_ignoring_case(p, "websocket"); });
}

} // namespace cofferdam::http
