#include "policy/name.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <idn2.h>

namespace cofferdam::policy {
namespace {

constexpr bool is_digit(char c) noexcept
{
    return c >= '0' && c <= '9';
}
constexpr bool is_hex(char c) noexcept
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}
constexpr bool is_label_octet(char c) noexcept
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

bool is_ascii(std::string_view text) noexcept
{
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// Octets that no spelling of a name has; checked before UTS #46 because it maps and libidn2 stops at NUL.
bool has_forbidden_octet(std::string_view text) noexcept
{
    return std::any_of(text.begin(), text.end(), [](char c) {
        const auto octet = static_cast<unsigned char>(c);
        return octet <= 0x20 || octet == 0x7F || c == '%';
    });
}

/// inet_aton and browsers read "0x7f.1", "017700000001" and "2130706433" as addresses.
bool reads_as_number(std::string_view label) noexcept
{
    if (std::all_of(label.begin(), label.end(), is_digit)) return true;
    return label.starts_with("0x") && std::all_of(label.begin() + 2, label.end(), is_hex);
}

result<std::string> to_a_labels(std::string_view text)
{
    if (!is_utf8(text)) return errc::malformed;
    const std::string input(text);
    char* output = nullptr;
    const int status = idn2_to_ascii_8z(input.c_str(), &output, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    if (status != IDN2_OK) {
        return status == IDN2_TOO_BIG_DOMAIN || status == IDN2_TOO_BIG_LABEL ? errc::too_large : errc::malformed;
    }
    std::string ascii(output);
    idn2_free(output);
    return ascii;
}

error_code check_labels(std::string_view name)
{
    std::string_view label;
    for (std::size_t begin = 0;;) {
        const std::size_t end = std::min(name.find('.', begin), name.size());
        label = name.substr(begin, end - begin);
        if (label.empty() || label.front() == '-' || label.back() == '-') return errc::malformed;
        if (label.size() > max_label_length) return errc::too_large;
        if (!std::all_of(label.begin(), label.end(), is_label_octet)) return errc::malformed;
        if (end == name.size()) break;
        begin = end + 1;
    }
    return reads_as_number(label) ? make_error_code(errc::ambiguous) : error_code{};
}

} // namespace

result<std::string> canonical_name(std::string_view text)
{
    if (text.size() > max_name_input) return errc::too_large;
    if (text.empty() || has_forbidden_octet(text)) return errc::malformed;
    std::string name;
    if (is_ascii(text)) {
        name = to_lower(text);
    }
    else {
        auto mapped = to_a_labels(text);
        if (!mapped) return mapped.error();
        name = to_lower(*mapped);
    }
    if (name.ends_with('.')) name.pop_back();
    if (name.empty()) return errc::malformed;
    if (name.size() > max_name_length) return errc::too_large;
    if (const auto failed = check_labels(name)) return failed;
    return name;
}

result<host> parse_host(std::string_view text)
{
    if (text.starts_with('[')) {
        if (!text.ends_with(']')) return errc::malformed;
        const auto literal = ip_address::parse(text.substr(1, text.size() - 2));
        if (!literal) return literal.error();
        if (!literal->is_v6()) return errc::malformed;
        return host{{}, *literal};
    }
    if (text.find(':') != std::string_view::npos) return errc::malformed;
    if (const auto literal = ip_address::parse(text)) return host{{}, *literal};
    auto name = canonical_name(text);
    if (!name) return name.error();
    return host{std::move(*name), std::nullopt};
}

result<std::uint16_t> parse_port(std::string_view digits) noexcept
{
    if (digits.empty() || digits.size() > 5 || digits.front() == '0') return errc::malformed;
    std::uint32_t value = 0;
    for (const char c : digits) {
        if (!is_digit(c)) return errc::malformed;
        value = value * 10 + static_cast<std::uint32_t>(c - '0');
    }
    if (value > 65535) return errc::malformed;
    return static_cast<std::uint16_t>(value);
}

result<authority> parse_authority(std::string_view text)
{
    std::size_t end = text.find(':');
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) return errc::malformed;
        end = close + 1 == text.size() ? std::string_view::npos : close + 1;
        if (end != std::string_view::npos && text[end] != ':') return errc::malformed;
    }
    auto where = parse_host(text.substr(0, end));
    if (!where) return where.error();
    if (end == std::string_view::npos) return authority{std::move(*where), std::nullopt};
    const auto port = parse_port(text.substr(end + 1));
    if (!port) return port.error();
    return authority{std::move(*where), *port};
}

std::string bracketed(std::string_view host)
{
    if (host.find(':') == std::string_view::npos) return std::string(host);
    return std::string("[").append(host).append("]");
}

std::string join_host_port(std::string_view host, std::uint16_t port)
{
    return bracketed(host) + ":" + std::to_string(port);
}

} // namespace cofferdam::policy
