#pragma once

#include "core/ip.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cofferdam::dns {

/// The name under which the machine that runs the gateway is judged and bound: "host" in the policy.
inline constexpr std::string_view gateway_host = "host";

/// "localhost" and everything below it: never sent anywhere (RFC 6761, 6.3).
bool is_localhost(std::string_view name) noexcept;
/// "host", "host.cofferdam.internal" and what Docker's users know it by, "host.docker.internal".
bool is_gateway_host(std::string_view name) noexcept;

/// "_https._tcp.NAME" or "_http._tcp.NAME" (RFC 2782): NAME; empty for any other name.
std::string_view host_of_web_service(std::string_view name) noexcept;

/// The address that a reverse name asks about: "4.3.2.1.in-addr.arpa" (RFC 1035, 3.5), 32 nibbles under "ip6.arpa" (RFC
/// 3596, 2.5).
std::optional<ip_address> address_of_reverse_name(std::string_view name) noexcept;

} // namespace cofferdam::dns
