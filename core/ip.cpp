#include "core/ip.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iterator>
#include <optional>

namespace cofferdam {
namespace {

std::optional<unsigned> parse_decimal(std::string_view text, unsigned max) noexcept
{
    if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
    unsigned value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
    return value;
}

std::optional<ip_address::v4_bytes> parse_v4(std::string_view text) noexcept
{
    ip_address::v4_bytes out{};
    for (std::size_t i = 0; i < 4; ++i) {
        const auto dot = text.find('.');
        if ((dot == std::string_view::npos) != (i == 3)) return std::nullopt;
        const auto octet = parse_decimal(text.substr(0, dot), 255);
        if (!octet) return std::nullopt;
        out[i] = static_cast<std::uint8_t>(*octet);
        if (i < 3) text.remove_prefix(dot + 1);
    }
    return out;
}

std::optional<std::uint16_t> parse_group(std::string_view text) noexcept
{
    if (text.empty() || text.size() > 4) return std::nullopt;
    unsigned value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return static_cast<std::uint16_t>(value);
}

// One side of "::": groups separated by ':', the last possibly dotted decimal. Returns the number of octets, or nothing.
std::optional<std::size_t> parse_groups(std::string_view text, std::span<std::uint8_t> out) noexcept
{
    std::size_t used = 0;
    if (text.empty()) return used;
    for (;;) {
        const auto colon = text.find(':');
        const auto part = text.substr(0, colon);
        if (colon == std::string_view::npos && part.find('.') != std::string_view::npos) {
            const auto tail = parse_v4(part);
            if (!tail || used + 4 > out.size()) return std::nullopt;
            std::copy(tail->begin(), tail->end(), out.begin() + static_cast<std::ptrdiff_t>(used));
            return used + 4;
        }
        const auto group = parse_group(part);
        if (!group || used + 2 > out.size()) return std::nullopt;
        out[used++] = static_cast<std::uint8_t>(*group >> 8);
        out[used++] = static_cast<std::uint8_t>(*group & 0xFF);
        if (colon == std::string_view::npos) return used;
        text.remove_prefix(colon + 1);
    }
}

std::optional<ip_address::v6_bytes> parse_v6(std::string_view text) noexcept
{
    ip_address::v6_bytes out{};
    const auto gap = text.find("::");
    if (gap == std::string_view::npos) {
        const auto used = parse_groups(text, out);
        if (!used || *used != 16) return std::nullopt;
        return out;
    }
    const auto tail_text = text.substr(gap + 2);
    if (tail_text.find("::") != std::string_view::npos || tail_text.starts_with(':')) return std::nullopt;
    ip_address::v6_bytes tail{};
    const auto head_text = text.substr(0, gap);
    if (head_text.find('.') != std::string_view::npos) return std::nullopt;
    const auto head_used = parse_groups(head_text, out);
    const auto tail_used = parse_groups(tail_text, tail);
    if (!head_used || !tail_used || *head_used + *tail_used > 14) return std::nullopt;
    std::copy_n(tail.begin(), *tail_used, out.end() - static_cast<std::ptrdiff_t>(*tail_used));
    return out;
}

struct scoped_block {
    const char* text;
    ip_scope scope;
};

// Most specific first.
constexpr scoped_block scope_table[] = {
    {"169.254.169.254/32", ip_scope::metadata},
    {"fd00:ec2::254/128", ip_scope::metadata},
    {"169.254.170.2/32", ip_scope::metadata},
    {"100.100.100.200/32", ip_scope::metadata},
    {"0.0.0.0/8", ip_scope::unspecified},
    {"10.0.0.0/8", ip_scope::private_use},
    {"100.64.0.0/10", ip_scope::shared},
    {"127.0.0.0/8", ip_scope::loopback},
    {"169.254.0.0/16", ip_scope::link_local},
    {"172.16.0.0/12", ip_scope::private_use},
    {"192.0.0.0/24", ip_scope::reserved},
    {"192.0.2.0/24", ip_scope::documentation},
    {"192.88.99.0/24", ip_scope::reserved},
    {"192.168.0.0/16", ip_scope::private_use},
    {"198.18.0.0/15", ip_scope::benchmarking},
    {"198.51.100.0/24", ip_scope::documentation},
    {"203.0.113.0/24", ip_scope::documentation},
    {"224.0.0.0/4", ip_scope::multicast},
    {"240.0.0.0/4", ip_scope::reserved},
    {"::/128", ip_scope::unspecified},
    {"::1/128", ip_scope::loopback},
    {"100::/64", ip_scope::reserved},
    {"2001:db8::/32", ip_scope::documentation},
    {"3fff::/20", ip_scope::documentation},
    {"2001::/32", ip_scope::reserved},
    {"fc00::/7", ip_scope::private_use},
    {"fe80::/10", ip_scope::link_local},
    {"fec0::/10", ip_scope::private_use},
    {"ff00::/8", ip_scope::multicast},
    {"64:ff9b:1::/48", ip_scope::private_use},
    {"::ffff:0:0:0/96", ip_scope::reserved}, // IPv4-translated (RFC 2765)
    {"::/96", ip_scope::reserved},
};

struct scope_entry {
    ip_prefix prefix;
    ip_scope scope;
};

const auto& scope_entries()
{
    static const auto entries = [] {
        std::array<scope_entry, std::size(scope_table)> out;
        for (std::size_t i = 0; i < out.size(); ++i)
            out[i] = {ip_prefix::parse(scope_table[i].text).value(), scope_table[i].scope};
        return out;
    }();
    return entries;
}

ip_address embedded_v4(const ip_address& outer, std::size_t offset) noexcept
{
    const auto b = outer.bytes();
    return ip_address::v4({b[offset], b[offset + 1], b[offset + 2], b[offset + 3]});
}

} // namespace

const char* to_string(ip_scope scope) noexcept
{
    switch (scope) {
    case ip_scope::global: return "global";
    case ip_scope::unspecified: return "unspecified";
    case ip_scope::loopback: return "loopback";
    case ip_scope::link_local: return "link_local";
    case ip_scope::private_use: return "private";
    case ip_scope::shared: return "shared";
    case ip_scope::benchmarking: return "benchmarking";
    case ip_scope::documentation: return "documentation";
    case ip_scope::multicast: return "multicast";
    case ip_scope::reserved: return "reserved";
    case ip_scope::metadata: return "metadata";
    }
    return "unknown";
}

ip_address ip_address::v4(v4_bytes bytes) noexcept
{
    ip_address out;
    std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
    return out;
}

ip_address ip_address::v4(std::uint32_t host_order) noexcept
{
    return v4({static_cast<std::uint8_t>(host_order >> 24), static_cast<std::uint8_t>(host_order >> 16),
               static_cast<std::uint8_t>(host_order >> 8), static_cast<std::uint8_t>(host_order)});
}

ip_address ip_address::v6(v6_bytes bytes) noexcept
{
    ip_address out;
    out.v6_ = true;
    out.bytes_ = bytes;
    return out;
}

result<ip_address> ip_address::parse(std::string_view text) noexcept
{
    if (text.find(':') == std::string_view::npos) {
        if (const auto bytes = parse_v4(text)) return v4(*bytes);
        return errc::malformed;
    }
    if (const auto bytes = parse_v6(text)) return v6(*bytes);
    return errc::malformed;
}

std::uint32_t ip_address::v4_number() const noexcept
{
    if (v6_) return 0;
    return (std::uint32_t{bytes_[0]} << 24) | (std::uint32_t{bytes_[1]} << 16) | (std::uint32_t{bytes_[2]} << 8) | bytes_[3];
}

ip_address ip_address::unmapped() const noexcept
{
    if (!v6_) return *this;
    static constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    static constexpr std::array<std::uint8_t, 12> nat64{0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0};
    if (std::equal(mapped.begin(), mapped.end(), bytes_.begin())) return embedded_v4(*this, 12);
    if (std::equal(nat64.begin(), nat64.end(), bytes_.begin())) return embedded_v4(*this, 12);
    if (bytes_[0] == 0x20 && bytes_[1] == 0x02) return embedded_v4(*this, 2);
    return *this;
}

ip_address ip_address::masked(unsigned length) const noexcept
{
    auto out = *this;
    for (unsigned bit = length; bit < out.bytes().size() * 8; ++bit)
        out.bytes_[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    return out;
}

ip_scope ip_address::scope() const noexcept
{
    const auto address = unmapped();
    for (const auto& entry : scope_entries()) {
        if (entry.prefix.contains(address)) return entry.scope;
    }
    return ip_scope::global;
}

std::string ip_address::to_string() const
{
    char buffer[48];
    if (!v6_) {
        char* end = buffer;
        for (std::size_t i = 0; i < 4; ++i) {
            if (i != 0) *end++ = '.';
            end = std::to_chars(end, std::end(buffer), bytes_[i]).ptr;
        }
        return {buffer, end};
    }
    std::array<unsigned, 8> groups{};
    for (std::size_t i = 0; i < 8; ++i) groups[i] = (unsigned{bytes_[2 * i]} << 8) | bytes_[2 * i + 1];
    std::size_t best = 8, best_length = 1; // a single zero group is not shortened
    for (std::size_t i = 0; i < 8;) {
        std::size_t j = i;
        while (j < 8 && groups[j] == 0) ++j;
        if (j - i > best_length) {
            best = i;
            best_length = j - i;
        }
        i = j + 1;
    }
    std::string out;
    for (std::size_t i = 0; i < 8; ++i) {
        if (i == best) {
            out += "::";
            i += best_length - 1;
            continue;
        }
        if (!out.empty() && out.back() != ':') out += ':';
        std::snprintf(buffer, sizeof buffer, "%x", groups[i]);
        out += buffer;
    }
    return out;
}

std::string ip_endpoint::to_string() const
{
    const auto text = address.to_string();
    return (address.is_v6() ? '[' + text + ']' : text) + ':' + std::to_string(port);
}

result<ip_prefix> ip_prefix::parse(std::string_view text) noexcept
{
    const auto slash = text.find('/');
    const auto address = ip_address::parse(text.substr(0, slash));
    if (!address) return address.error();
    const unsigned width = address->is_v4() ? 32 : 128;
    if (slash == std::string_view::npos) return ip_prefix(*address, width);
    const auto length = parse_decimal(text.substr(slash + 1), width);
    if (!length) return errc::malformed;
    const auto bytes = address->bytes();
    for (unsigned bit = *length; bit < width; ++bit) {
        if ((bytes[bit / 8] >> (7 - bit % 8)) & 1U) return errc::malformed;
    }
    return ip_prefix(*address, *length);
}

bool ip_prefix::contains(const ip_address& address) const noexcept
{
    if (address.is_v4() != network_.is_v4()) return false;
    const auto a = address.bytes(), b = network_.bytes();
    const unsigned whole = length_ / 8, rest = length_ % 8;
    if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

std::string ip_prefix::to_string() const
{
    return network_.to_string() + '/' + std::to_string(length_);
}

} // namespace cofferdam
