#include "http/grammar.hpp"

#include "core/text.hpp"

#include <cstring>

namespace cofferdam::http {
namespace {

constexpr std::uint64_t every_byte = 0x0101010101010101U;
constexpr std::uint64_t high_bits = 0x8080808080808080U;

/// span_of(text, char_class::value), eight bytes a step while there is no control character among them.
std::size_t span_of_value(std::string_view text) noexcept
{
    std::size_t n = 0;
    while (text.size() - n >= sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + n, sizeof word);
        const std::uint64_t below_space = (word - every_byte * 0x20) & ~word & high_bits;
        const std::uint64_t del = word ^ (every_byte * 0x7f);
        if (((below_space | ((del - every_byte) & ~del)) & high_bits) != 0) break;
        n += sizeof word;
    }
    return n + span_of(text.substr(n), char_class::value);
}

/// Takes one field line with its CRLF off `block`.
const fault* take_field(std::string_view& block, field& out) noexcept
{
    const std::size_t name = span_of(block, char_class::token);
    if (name == block.size()) return &faults::field_name;
    if (block[name] != ':') {
        if (!is_ows(block[name])) return &faults::field_name;
        return name == 0 ? &faults::folded : &faults::space_before_colon;
    }
    if (name == 0) return &faults::field_name;
    out.name = block.substr(0, name);
    block.remove_prefix(name + 1);
    const std::size_t value = span_of_value(block);
    const auto ending = block.substr(value, 2);
    if (ending != "\r\n") {
        if (ending.starts_with('\n')) return &faults::bare_lf;
        return ending.starts_with('\r') ? &faults::bare_cr : &faults::field_value;
    }
    out.value = trim_ows(block.substr(0, value));
    block.remove_prefix(value + 2);
    return nullptr;
}

field_id match(std::string_view name, std::string_view lower, field_id id) noexcept
{
    for (std::size_t i = 0; i < lower.size(); ++i)
        if (to_lower(name[i]) != lower[i]) return field_id::other;
    return id;
}

field_id either(field_id first, field_id second) noexcept
{
    return first != field_id::other ? first : second;
}

} // namespace

field_id identify(std::string_view name) noexcept
{
    switch (name.size()) { // nearly every other field is settled by its length and first letter
    case 2: return match(name, "te", field_id::te);
    case 4: return match(name, "host", field_id::host);
    case 6: return match(name, "expect", field_id::expect);
    case 7: return match(name, "upgrade", field_id::upgrade);
    case 10: return either(match(name, "connection", field_id::connection), match(name, "keep-alive", field_id::keep_alive));
    case 14:
        if (name[7] == '_') return match(name, "content_length", field_id::framing_lookalike);
        return either(match(name, "content-length", field_id::content_length),
                      match(name, "http2-settings", field_id::http2_settings));
    case 16: return match(name, "proxy-connection", field_id::proxy_connection);
    case 17:
        if (name[8] == '_') return match(name, "transfer_encoding", field_id::framing_lookalike);
        return either(match(name, "transfer-encoding", field_id::transfer_encoding),
                      match(name, "sec-websocket-key", field_id::websocket_key));
    case 18: return match(name, "proxy-authenticate", field_id::proxy_authenticate);
    case 19: return match(name, "proxy-authorization", field_id::proxy_authorization);
    case 21: return match(name, "sec-websocket-version", field_id::websocket_version);
    default: return field_id::other;
    }
}

bool is_hop_by_hop(field_id id) noexcept
{
    return id != field_id::other && id != field_id::websocket_key && id != field_id::websocket_version;
}

std::string_view value_of(const std::vector<field>& fields, std::string_view name) noexcept
{
    const auto* found = find_field(fields, name);
    return found ? found->value : std::string_view();
}

bool is_idempotent(std::string_view method) noexcept
{
    return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" || method == "DELETE" ||
           method == "TRACE";
}

const field* find_field(const std::vector<field>& fields, std::string_view name) noexcept
{
    for (const field& f : fields)
        if (equals_ignoring_case(f.name, name)) return &f;
    return nullptr;
}

bool next_element(std::string_view& rest, std::string_view& element) noexcept
{
    while (!rest.empty()) {
        const std::size_t comma = rest.find(',');
        element = trim_ows(rest.substr(0, comma));
        rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
        if (!element.empty()) return true;
    }
    return false;
}

const fault* parse_fields(std::string_view block, std::size_t max_fields, std::vector<field>& out)
{
    out.clear();
    while (!block.starts_with("\r\n")) {
        if (out.size() == max_fields) return &faults::field_count;
        field next;
        if (const fault* why = take_field(block, next)) return why;
        out.push_back(next);
    }
    return block.size() == 2 ? nullptr : &faults::field_name;
}

} // namespace cofferdam::http
