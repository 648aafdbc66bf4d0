#include "http/authority.hpp"

#include "core/ip.hpp"
#include "http/grammar.hpp"

namespace cofferdam::http {
namespace {

constexpr std::size_t max_host = 255;

result<std::uint16_t> parse_port(std::string_view text) noexcept
{
    if (text.empty() || text.size() > 5 || text[0] == '0' || span_of(text, char_class::digit) != text.size())
        return errc::malformed;
    std::uint32_t value = 0;
    for (const char c : text) value = value * 10 + static_cast<std::uint32_t>(c - '0');
    if (value > 65535) return errc::malformed;
    return static_cast<std::uint16_t>(value);
}

} // namespace

result<authority> parse_authority(std::string_view text) noexcept
{
    authority out;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return errc::malformed;
        out.host = text.substr(1, close - 1);
        out.ipv6_literal = true;
        const auto address = ip_address::parse(out.host);
        if (!address || !address->is_v6()) return errc::malformed;
        text.remove_prefix(close + 1);
    }
    else {
        out.host = text.substr(0, span_of(text, char_class::host_name));
        if (out.host.empty() || out.host.size() > max_host) return errc::malformed;
        text.remove_prefix(out.host.size());
    }
    if (text.empty()) return out;
    if (text[0] != ':') return errc::malformed;
    const auto port = parse_port(text.substr(1));
    if (!port) return port.error();
    out.port = *port;
    return out;
}

} // namespace cofferdam::http
