#include "gateway/address_guard.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <iterator>
#include <netinet/in.h>
#include <set>

namespace cofferdam::gateway {

bool is_gateway_host(std::string_view name) noexcept
{
    return name == "host" || name == "host.cofferdam.internal" || name == "host.docker.internal";
}

std::string judged_name(std::string name)
{
    return is_gateway_host(name) ? "host" : std::move(name);
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

// The addresses of the machine's interfaces when they were first asked for: services there trust who is inside.
const std::set<ip_address>& own_addresses()
{
    static const std::set<ip_address> found = [] {
        std::set<ip_address> out;
        ifaddrs* list = nullptr;
        if (::getifaddrs(&list) != 0) return out;
        for (const auto* each = list; each; each = each->ifa_next) {
            if (!each->ifa_addr) continue;
            char text[INET6_ADDRSTRLEN] = {};
            const auto* v4 = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
            const auto* v6 = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr);
            if (each->ifa_addr->sa_family == AF_INET)
                ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
            else if (each->ifa_addr->sa_family == AF_INET6)
                ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
            if (const auto parsed = ip_address::parse(text)) out.insert(*parsed);
        }
        ::freeifaddrs(list);
        return out;
    }();
    return found;
}

// Whether the address may be used without an entry that lists it.
bool is_unremarkable(const config::settings& settings, std::string_view host, const ip_address& address)
{
    if (settings.dns.virtual_range.contains(address) || own_addresses().contains(address)) return false;
    switch (address.scope()) {
    case ip_scope::global:
    case ip_scope::documentation: return true;
    case ip_scope::private_use:
    case ip_scope::shared: return !ip_address::parse(host) && is_internal_name(host);
    default: return false;
    }
}

} // namespace

bool may_dial(const policy::policy& rules, const config::settings& settings, std::string_view host, const ip_endpoint& where)
{
    const auto address = where.address.unmapped();
    return is_unremarkable(settings, host, address) || rules.allows_address({address, where.port});
}

bool may_resolve(const policy::policy& rules, const config::settings& settings, std::string_view host, const ip_address& address)
{
    const auto plain = address.unmapped();
    return is_unremarkable(settings, host, plain) || rules.allows_address({plain, 0});
}

} // namespace cofferdam::gateway
