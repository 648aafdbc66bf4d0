#include "dns/special_names.hpp"

#include <charconv>

namespace cofferdam::dns {
namespace {

// The text before the first dot, taken off `name`.
std::string_view take_label(std::string_view& name) noexcept
{
    const auto dot = name.find('.');
    const auto label = name.substr(0, dot);
    name.remove_prefix(dot == std::string_view::npos ? name.size() : dot + 1);
    return label;
}

std::optional<unsigned> number(std::string_view text, int base, unsigned max) noexcept
{
    if (text.size() > 1 && text[0] == '0') return std::nullopt;
    unsigned value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || ec != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
    return value;
}

std::optional<ip_address> reverse_v4(std::string_view name) noexcept
{
    ip_address::v4_bytes out{};
    for (std::size_t i = out.size(); i-- > 0;) {
        const auto octet = number(take_label(name), 10, 255);
        if (!octet) return std::nullopt;
        out[i] = static_cast<std::uint8_t>(*octet);
    }
    if (!name.empty()) return std::nullopt;
    return ip_address::v4(out);
}

std::optional<ip_address> reverse_v6(std::string_view name) noexcept
{
    ip_address::v6_bytes out{};
    for (std::size_t i = out.size(); i-- > 0;) {
        const auto low = number(take_label(name), 16, 15), high = number(take_label(name), 16, 15);
        if (!low || !high) return std::nullopt;
        out[i] = static_cast<std::uint8_t>((*high << 4) | *low);
    }
    if (!name.empty()) return std::nullopt;
    return ip_address::v6(out);
}

} // namespace

bool is_localhost(std::string_view name) noexcept
{
    return name == "localhost" || name.ends_with(".localhost");
}

bool is_gateway_host(std::string_view name) noexcept
{
    return name == gateway_host || name == "host.cofferdam.internal" || name == "host.docker.internal";
}

std::optional<ip_address> address_of_reverse_name(std::string_view name) noexcept
{
    constexpr std::string_view v4 = ".in-addr.arpa", v6 = ".ip6.arpa";
    if (name.ends_with(v4)) return reverse_v4(name.substr(0, name.size() - v4.size()));
    if (name.ends_with(v6)) return reverse_v6(name.substr(0, name.size() - v6.size()));
    return std::nullopt;
}

std::string_view host_of_web_service(std::string_view name) noexcept
{
    for (const std::string_view service : {"_https._tcp.", "_http._tcp."}) {
        if (name.starts_with(service)) return name.substr(service.size());
    }
    return {};
}

} // namespace cofferdam::dns
