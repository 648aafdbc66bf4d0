#pragma once

#include "config/settings.hpp"
#include "core/ip.hpp"
#include "policy/policy.hpp"

#include <string_view>

namespace cofferdam::gateway {

/// True for the names of the machine that runs the gateway: "host", "host.cofferdam.internal", "host.docker.internal".
bool is_gateway_host(std::string_view name) noexcept;

/// May the gateway dial `where`, an address found for `host` (a canonical name or an address literal)?
/// Public addresses: yes. Loopback, link-local, metadata, multicast, unspecified and the virtual range: only where an
/// allow entry lists the address. Private and shared ranges: where an entry lists them, or where `host` is not a public
/// name (no ICANN suffix), so that internal names of a company's own zone work and a public name can't be rebound inside.
bool may_dial(const policy::policy& rules, const config::settings& settings, std::string_view host, const ip_endpoint& where);

/// The same question for an answer to a name, before any port is known: may `address` be given for it?
bool may_resolve(const policy::policy& rules, const config::settings& settings, std::string_view host, const ip_address& address);

/// True if `name` ends in a suffix of the ICANN section of the Public Suffix List.
bool is_public_name(std::string_view name);

}  // namespace cofferdam::gateway
