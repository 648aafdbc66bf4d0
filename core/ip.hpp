#pragma once

#include "core/bytes.hpp"

#include <array>
#include <compare>
#include <string>

namespace cofferdam {

/// What an address is for, by the IANA special-purpose registries (RFC 6890). Everything but `global` is
/// refused as the target of a public name unless a rule allows the range.
enum class ip_scope : std::uint8_t {
    global,
    unspecified,
    loopback,
    link_local,
    private_use,
    shared,
    benchmarking,
    documentation,
    multicast,
    reserved,
    metadata
};

const char* to_string(ip_scope scope) noexcept;

/// IPv4 or IPv6 address, a value. A v4-mapped IPv6 address (::ffff:a.b.c.d) is not the IPv4 address until `unmapped()`.
class ip_address {
public:
    using v4_bytes = std::array<std::uint8_t, 4>;
    using v6_bytes = std::array<std::uint8_t, 16>;

    constexpr ip_address() noexcept = default; // 0.0.0.0
    static ip_address v4(v4_bytes bytes) noexcept;
    static ip_address v4(std::uint32_t host_order) noexcept;
    static ip_address v6(v6_bytes bytes) noexcept;

    /// Strict: four decimal octets without leading zeros, or RFC 4291 text. No zone, no brackets, no octal, hex or short forms.
    static result<ip_address> parse(std::string_view text) noexcept;

    bool is_v4() const noexcept { return !v6_; }
    bool is_v6() const noexcept { return v6_; }
    std::uint32_t v4_number() const noexcept; ///< host order; 0 for IPv6
    byte_view bytes() const noexcept { return v6_ ? byte_view(bytes_) : byte_view(bytes_).first(4); }

    /// The IPv4 address inside a v4-mapped, 6to4 (2002::/16) or well-known NAT64 (64:ff9b::/96) address; itself otherwise.
    ip_address unmapped() const noexcept;
    /// Its first `length` bits, the others 0. `length` is at most 32 or 128.
    ip_address masked(unsigned length) const noexcept;
    ip_scope scope() const noexcept; ///< of `unmapped()`
    std::string to_string() const;   ///< canonical text, RFC 5952

    friend auto operator<=>(const ip_address&, const ip_address&) noexcept = default;

private:
    bool v6_ = false;
    std::array<std::uint8_t, 16> bytes_{};
};

struct ip_endpoint {
    ip_address address;
    std::uint16_t port = 0;

    std::string to_string() const; ///< "192.0.2.1:53", "[2001:db8::1]:53"
    friend auto operator<=>(const ip_endpoint&, const ip_endpoint&) noexcept = default;
};

/// A CIDR block. Host bits in the text are an error, not silently cleared.
class ip_prefix {
public:
    ip_prefix() noexcept = default;
    ip_prefix(ip_address network, unsigned length) noexcept : network_(network), length_(length) {}
    static result<ip_prefix> parse(std::string_view text) noexcept; ///< "10.0.0.0/8", or a bare address: its host prefix

    bool contains(const ip_address& address) const noexcept;
    const ip_address& network() const noexcept { return network_; }
    unsigned length() const noexcept { return length_; }
    std::string to_string() const;

    friend bool operator==(const ip_prefix&, const ip_prefix&) noexcept = default;

private:
    ip_address network_;
    unsigned length_ = 0;
};

} // namespace cofferdam

template <>
struct std::hash<cofferdam::ip_address> {
    std::size_t operator()(const cofferdam::ip_address& a) const noexcept
    {
        const auto text = cofferdam::as_text(a.bytes());
        return std::hash<std::string_view>{}(text);
    }
};
