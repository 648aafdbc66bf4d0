#include "http/start_line.hpp"

#include "core/text.hpp"
#include "http/grammar.hpp"

namespace cofferdam::http {
namespace {

constexpr std::string_view version_prefix = "HTTP/";
constexpr std::size_t version_size = 8; // "HTTP/1.1"

const fault* parse_version(std::string_view text, unsigned& minor) noexcept
{
    const bool well_formed = text.size() == version_size && text.starts_with(version_prefix) &&
                             is_in(text[5], char_class::digit) && text[6] == '.' && is_in(text[7], char_class::digit);
    if (!well_formed) return &faults::start_line;
    if (text[5] != '1' || (text[7] != '0' && text[7] != '1')) return &faults::version;
    minor = static_cast<unsigned>(text[7] - '0');
    return nullptr;
}

const fault* parse_absolute_form(request_head& out) noexcept
{
    const std::size_t colon = out.target.find("://");
    if (colon == std::string_view::npos || !is_token(out.target.substr(0, colon))) return &faults::target;
    out.form = target_form::absolute;
    out.scheme = out.target.substr(0, colon);
    if (!equals_ignoring_case(out.scheme, "http") && !equals_ignoring_case(out.scheme, "https")) return &faults::target_scheme;
    const auto rest = out.target.substr(colon + 3);
    const std::size_t end = rest.find_first_of("/?");
    out.host = rest.substr(0, end);
    if (!parse_authority(out.host)) return &faults::host_syntax;
    if (end == std::string_view::npos) {
        out.origin_target = out.method == "OPTIONS" ? "*" : "/"; // RFC 9112, 3.2.1 and 3.2.4
        return nullptr;
    }
    // "http://host?query" means "/?query"; peers differ in what they make of it.
    if (rest[end] == '?') return &faults::target_query;
    out.origin_target = rest.substr(end);
    return nullptr;
}

const fault* parse_target(request_head& out) noexcept
{
    if (out.method == "CONNECT") {
        out.form = target_form::authority;
        out.host = out.origin_target = out.target;
        const auto where = parse_authority(out.target);
        return where && where->port != 0 ? nullptr : &faults::target;
    }
    // A fragment is never sent (RFC 9110, 4.2.5), and peers differ on whether it belongs to the path.
    if (out.target.find('#') != std::string_view::npos) return &faults::target;
    if (out.target.starts_with('/')) {
        out.form = target_form::origin;
        out.origin_target = out.target;
        return nullptr;
    }
    if (out.target == "*") {
        out.form = target_form::asterisk;
        out.origin_target = out.target;
        return out.method == "OPTIONS" ? nullptr : &faults::target;
    }
    return parse_absolute_form(out);
}

} // namespace

const fault* parse_request_line(std::string_view line, request_head& out) noexcept
{
    const std::size_t method = span_of(line, char_class::token);
    if (method == 0 || method == line.size() || line[method] != ' ') return &faults::start_line;
    if (method > max_method) return &faults::method_size;
    const auto rest = line.substr(method + 1);
    const std::size_t target = span_of(rest, char_class::visible);
    if (target == 0 || target == rest.size() || rest[target] != ' ') return &faults::start_line;
    if (const fault* why = parse_version(rest.substr(target + 1), out.minor)) return why;
    out.method = line.substr(0, method);
    out.target = rest.substr(0, target);
    out.scheme = out.host = {};
    return parse_target(out);
}

const fault* parse_status_line(std::string_view line, response_head& out) noexcept
{
    if (const fault* why = parse_version(line.substr(0, version_size), out.minor)) return why;
    line.remove_prefix(version_size);
    const bool has_code = line.size() >= 4 && line[0] == ' ' && span_of(line.substr(1, 3), char_class::digit) == 3;
    if (!has_code) return &faults::start_line;
    const auto digit = [line](std::size_t i) { return static_cast<unsigned>(line[i] - '0'); };
    out.status = digit(1) * 100 + digit(2) * 10 + digit(3);
    if (out.status < 100 || out.status > 599) return &faults::status_code;
    line.remove_prefix(4);
    // The SP before an empty reason is required; servers that leave it out are many, and nothing else could be meant.
    if (!line.empty() && line[0] != ' ') return &faults::start_line;
    out.reason = line.empty() ? line : line.substr(1);
    return span_of(out.reason, char_class::value) == out.reason.size() ? nullptr : &faults::start_line;
}

} // namespace cofferdam::http
