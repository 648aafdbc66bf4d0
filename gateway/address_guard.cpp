#include "gateway/address_guard.hpp"

#include "gateway/own_addresses.hpp"

#include <algorithm>
#include <iterator>

namespace cofferdam::gateway {

bool is_gateway_host(std::string_view name) noexcept
{
    return name == "host" || name == "host.cofferdam.internal" || name == "host.docker.internal";
}

std::string_view judged_name(std::string_view name) noexcept
{
    return is_gateway_host(name) ? "host" : name;
}

bool is_internal_name(std::string_view name) noexcept
{
    // RFC 6762 appendix G, RFC 8375, and the name that ICANN reserved for private use in 2024.
    static constexpr std::string_view zones[] = {"internal", "intranet", "private", "corp", "home", "lan", "local", "home.arpa"};
    if (name.find('.') == std::string_view::npos) return true;
    return std::any_of(std::begin(zones), std::end(zones), [name](std::string_view zone) {
        return name.size() > zone.size() && name.ends_with(zone) && name[name.size() - zone.size() - 1] == '.';
    });
}

namespace {

// Whether the address may be used without an entry that lists it.
bool is_unremarkable(const config::settings& settings, std::string_view host, const ip_address& address)
{
    if (settings.dns.virtual_range.contains(address) || machine_addresses().contain(address)) return false;
    switch (address.scope()) {
    case ip_scope::global:
    case ip_scope::documentation: return true;
    case ip_scope::private_use:
    case ip_scope::shared: return !ip_address::parse(host) && is_internal_name(host);
    default: return false;
    }
}

} // namespace

bool is_own_port(const config::settings& settings, const ip_endpoint& where)
{
    if (std::find(settings.own_ports.begin(), settings.own_ports.end(), where.port) == settings.own_ports.end()) return false;
    const auto address = where.address.unmapped();
    const auto scope = address.scope();
    return scope == ip_scope::loopback || scope == ip_scope::unspecified || machine_addresses().contain(address);
}

bool may_dial(const policy::policy& rules, const config::settings& settings, std::string_view host, const ip_endpoint& where)
{
    const auto address = where.address.unmapped();
    if (is_own_port(settings, where)) return false;
    return is_unremarkable(settings, host, address) || rules.allows_address({address, where.port});
}

bool may_resolve(const policy::policy& rules, const config::settings& settings, std::string_view host, const ip_address& address)
{
    const auto plain = address.unmapped();
    return is_unremarkable(settings, host, plain) || rules.allows_address({plain, 0});
}

} // namespace cofferdam::gateway
