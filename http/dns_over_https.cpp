#include "http/dns_over_https.hpp"

#include "core/dns_shape.hpp"
#include "core/text.hpp"
#include "http/grammar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace cofferdam::http {
namespace {

constexpr std::size_t max_message = 65535;
constexpr std::size_t max_shown_method = 16;

// RFC 8484, RFC 9230, RFC 8427; the third is what public resolvers answer their JSON interface with.
constexpr auto media_types = std::to_array<std::string_view>({
    "application/dns-message",
    "application/oblivious-dns-message",
    "application/dns-json",
    "application/dns+json",
    "application/dns-udpwireformat",
});

constexpr auto type_names = std::to_array<std::string_view>({
    "A",    "AAAA", "ANY",        "CAA", "CNAME", "DNAME", "DNSKEY", "DS",  "HINFO", "HTTPS", "LOC",  "MX",  "NAPTR", "NS",
    "NULL", "NSEC", "OPENPGPKEY", "PTR", "RRSIG", "SOA",   "SPF",    "SRV", "SSHFP", "SVCB",  "TLSA", "TXT", "URI",
});

int hex_digit(char c) noexcept
{
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// What a server makes of a component of a query (WHATWG URL, 5.1). An incomplete escape stands for itself.
std::string decode_component(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low >= 0) {
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
        else {
            out += text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

int base64_digit(char c) noexcept
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '-' || c == '+' || c == ' ') return 62; // a raw '+' was decoded as a space
    if (c == '_' || c == '/') return 63;
    return -1;
}

/// Both alphabets (RFC 4648, 4 and 5), padding or not: some servers take either.
std::optional<std::string> decode_base64(std::string_view text)
{
    while (text.ends_with('=')) text.remove_suffix(1);
    if (text.size() > max_message * 4 / 3 + 3) return std::nullopt;
    std::string out;
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : text) {
        const int digit = base64_digit(c);
        if (digit < 0) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(digit);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out += static_cast<char>(bits >> held & 0xFFU);
    }
    return out;
}

bool is_dns_type(std::string_view text) noexcept
{
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
        unsigned number = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
        return read.ec == std::errc() && number > 0 && number <= 0xFFFF;
    }
    return std::any_of(type_names.begin(), type_names.end(),
                       [text](std::string_view known) { return equals_ignoring_case(text, known); });
}

/// What the query says that matters here.
struct parameters {
    bool message = false; ///< dns=, and a DNS message
    bool name = false, type = false;
};

parameters read_parameters(std::string_view query)
{
    parameters out;
    while (!query.empty()) {
        const auto end = std::min(query.find_first_of("&;"), query.size());
        const auto pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos) continue;
        const auto key = decode_component(pair.substr(0, equals));
        if (equals_ignoring_case(key, "dns")) {
            const auto message = decode_base64(decode_component(pair.substr(equals + 1)));
            out.message = out.message || (message && looks_like_dns(as_bytes(*message)));
        }
        else if (equals_ignoring_case(key, "name")) {
            out.name = true;
        }
        else if (equals_ignoring_case(key, "type")) {
            out.type = out.type || is_dns_type(decode_component(pair.substr(equals + 1)));
        }
    }
    return out;
}

/// An origin may read %2F as a slash (canonical paths have it in upper case).
std::string_view last_segment(std::string_view path) noexcept
{
    constexpr std::string_view encoded_slash = "%2F";
    while (path.ends_with('/')) path.remove_suffix(1);
    path = path.substr(path.rfind('/') + 1); // npos + 1 is 0
    const auto at = path.rfind(encoded_slash);
    return at == std::string_view::npos ? path : path.substr(at + encoded_slash.size());
}

bool sends_body(std::string_view method) noexcept
{
    return method == "POST" || method == "PUT" || method == "PATCH";
}

std::string find_marker(const doh_question& request)
{
    for (const field& f : request.fields) {
        const bool content = equals_ignoring_case(f.name, "content-type");
        if (!content && !equals_ignoring_case(f.name, "accept")) continue;
        const auto type = find_dns_media_type(f.value);
        if (!type.empty()) return (content ? "" : "accept ") + std::string(type);
    }
    const auto last = last_segment(request.path);
    const auto asked = read_parameters(request.query);
    if (asked.message) return "?dns=";
    if (equals_ignoring_case(last, "resolve") && asked.name && (asked.type || request.of_resolver)) return "?name=&type=";
    if (!equals_ignoring_case(last, "dns-query")) return {};
    if (asked.name) return "?name=&type=";
    return !request.query.empty() || sends_body(request.method) ? "/dns-query" : "";
}

} // namespace

std::string_view find_dns_media_type(std::string_view value) noexcept
{
    for (std::string_view element; next_element(value, element);) {
        const auto type = trim_ows(element.substr(0, element.find(';')));
        for (const auto known : media_types) {
            if (equals_ignoring_case(type, known)) return known;
        }
    }
    return {};
}

std::string find_dns_over_https(const doh_question& request)
{
    const auto marker = find_marker(request);
    return marker.empty() ? marker : std::string(request.method.substr(0, max_shown_method)) + ' ' + marker;
}

} // namespace cofferdam::http
