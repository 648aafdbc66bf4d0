#include "policy/url.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <optional>

namespace cofferdam::policy {
namespace {

constexpr std::string_view hex_digits = "0123456789ABCDEF";
constexpr unsigned max_nested_escapes = 4; // "%2525252541": each server on the way may decode once; more is nobody's intent

std::optional<unsigned> hex_value(char c) noexcept
{
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    return std::nullopt;
}

constexpr bool is_unreserved(unsigned octet) noexcept // RFC 3986, 2.3
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') || (octet >= '0' && octet <= '9') || octet == '-' ||
           octet == '.' || octet == '_' || octet == '~';
}

constexpr bool is_control(unsigned octet) noexcept
{
    return octet < 0x20 || octet == 0x7F;
}

/// Octets that never stand raw in a target.
bool is_raw_forbidden(char c) noexcept
{
    const auto octet = static_cast<unsigned char>(c);
    return is_control(octet) || octet == ' ' || octet >= 0x80 || c == '#';
}

/// The octet escaped at `at`, where a '%' stands; nothing if the escape is incomplete.
std::optional<unsigned> escaped_octet(std::string_view text, std::size_t at) noexcept
{
    if (text.size() - at < 3) return std::nullopt;
    const auto high = hex_value(text[at + 1]);
    const auto low = hex_value(text[at + 2]);
    if (!high || !low) return std::nullopt;
    return *high * 16 + *low;
}

/// RFC 3986, 6.2.2.1 and 6.2.2.2, and the refusal of what is never carried in a path.
result<std::string> normalise_escapes(std::string_view path)
{
    std::string out;
    out.reserve(path.size());
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (is_raw_forbidden(path[i]) || path[i] == '\\') return errc::ambiguous;
        if (path[i] != '%') {
            out += path[i];
            continue;
        }
        const auto octet = escaped_octet(path, i);
        if (!octet || is_control(*octet) || *octet == '\\') return errc::ambiguous;
        if (is_unreserved(*octet)) {
            out += static_cast<char>(*octet);
        }
        else {
            out += '%';
            out += hex_digits[*octet / 16];
            out += hex_digits[*octet % 16];
        }
        i += 2;
    }
    return out;
}

std::string decode_all(std::string_view path)
{
    std::string out;
    out.reserve(path.size());
    for (std::size_t i = 0; i < path.size(); ++i) {
        const auto octet = path[i] == '%' ? escaped_octet(path, i) : std::nullopt;
        out += octet ? static_cast<char>(*octet) : path[i];
        if (octet) i += 2;
    }
    return out;
}

/// True if a server that decodes a second time (or more often) would see an octet that matters for the path; also if more
/// layers are nested than anybody means.
bool has_harmful_second_layer(std::string decoded)
{
    for (unsigned layer = 0; layer < max_nested_escapes; ++layer) {
        bool nested = false;
        for (auto at = decoded.find('%'); at != std::string::npos; at = decoded.find('%', at + 1)) {
            const auto octet = escaped_octet(decoded, at);
            if (!octet) continue;
            if (is_control(*octet) || *octet >= 0x80 || *octet == '.' || *octet == '/' || *octet == '\\') return true;
            nested = true;
        }
        if (!nested) return false;
        decoded = decode_all(decoded);
    }
    return true;
}

/// "." or "..", whatever a server may cut from the end of a segment: path parameters (";x"), trailing spaces, and what a
/// second decoding ("%253b" is "%3b" here) makes of an escape.
bool is_dot_segment(std::string_view decoded) noexcept
{
    decoded = decoded.substr(0, decoded.find_first_of(";%"));
    while (decoded.ends_with(' ')) decoded.remove_suffix(1);
    return decoded == "." || decoded == "..";
}

bool has_dot_segment(std::string_view decoded) noexcept
{
    for (std::size_t begin = 0; begin <= decoded.size();) {
        const std::size_t end = std::min(decoded.find('/', begin), decoded.size());
        if (is_dot_segment(decoded.substr(begin, end - begin))) return true;
        begin = end + 1;
    }
    return false;
}

} // namespace

result<request_target> canonical_target(std::string_view origin_form)
{
    if (origin_form.size() > max_target_length) return errc::too_large;
    request_target out;
    if (origin_form == "*") {
        out.path = "*";
        return out;
    }
    if (!origin_form.starts_with('/')) return errc::malformed;
    const auto mark = origin_form.find('?');
    out.has_query = mark != std::string_view::npos;
    if (out.has_query) out.query = origin_form.substr(mark + 1);
    if (std::any_of(out.query.begin(), out.query.end(), is_raw_forbidden)) return errc::ambiguous;

    auto path = normalise_escapes(origin_form.substr(0, mark));
    if (!path) return path.error();
    out.path = std::move(*path);
    const auto decoded = decode_all(out.path);
    if (!is_utf8(decoded) || has_dot_segment(decoded) || has_harmful_second_layer(decoded)) return errc::ambiguous;
    out.has_encoded_slash = out.path.find("%2F") != std::string::npos;
    return out;
}

bool has_second_reading(std::string_view path) noexcept
{
    return path.find("//") != std::string_view::npos || path.find("%2F") != std::string_view::npos;
}

std::string merged_path(std::string_view path)
{
    std::string out;
    out.reserve(path.size());
    for (std::size_t i = 0; i < path.size(); ++i) {
        const bool encoded = path.substr(i).starts_with("%2F");
        const bool slash = encoded || path[i] == '/';
        if (encoded) i += 2;
        if (!slash)
            out += path[i];
        else if (!out.ends_with('/'))
            out += '/';
    }
    return out;
}

} // namespace cofferdam::policy
