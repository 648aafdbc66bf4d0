#pragma once

#include "config/settings.hpp"
#include "core/ip.hpp"
#include "policy/policy.hpp"

#include <string_view>

namespace cofferdam::gateway {

/// True for the names of the machine that runs the gateway: "host", "host.cofferdam.internal", "host.docker.internal".
bool is_gateway_host(std::string_view name) noexcept;

/// The name that the policy judges for a canonical one: "host" for every name of the gateway's machine, itself otherwise.
std::string_view judged_name(std::string_view name) noexcept;

/// A TCP port of the gateway itself on this machine. Nothing opens these: it would ask itself, in another job's name.
bool is_own_port(const config::settings& settings, const ip_endpoint& where);

/// May the gateway dial `where`, an address found for `host` (a canonical name or an address literal)?
/// Public addresses: yes. Loopback, link-local, metadata, multicast, unspecified, the virtual range and the machine's own
/// addresses: only where an allow entry lists the address. Private and shared ranges: where an entry lists them, or where `host`
/// is an internal name (see is_internal_name), so that a public name can't be rebound to something inside. The gateway's own
/// ports on this machine: never.
bool may_dial(const policy::policy& rules, const config::settings& settings, std::string_view host, const ip_endpoint& where);

/// The same question for an answer to a name, before any port is known: may `address` be given for it?
bool may_resolve(const policy::policy& rules, const config::settings& settings, std::string_view host, const ip_address& address);

/// True for names that only a private network gives meaning to: single labels and the zones internal, intranet, private, corp,
/// home, lan, local, home.arpa.
bool is_internal_name(std::string_view name) noexcept;

} // namespace cofferdam::gateway
