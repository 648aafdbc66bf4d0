#include "gateway/address_guard.hpp"

#include <libpsl.h>

#include <string>

namespace cofferdam::gateway {

bool is_gateway_host(std::string_view name) noexcept
{
    return name == "host" || name == "host.cofferdam.internal" || name == "host.docker.internal";
}

bool is_public_name(std::string_view name)
{
    const psl_ctx_t* list = psl_builtin();
    if (!list) return true;  // no list, no exception
    const std::string text(name);
    const auto last_dot = text.rfind('.');
    const char* suffix = last_dot == std::string::npos ? text.c_str() : text.c_str() + last_dot + 1;
    return psl_is_public_suffix2(list, suffix, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) != 0;
}

namespace {

// Whether the address may be used without an entry that lists it.
bool is_unremarkable(const config::settings& settings, std::string_view host, const ip_address& address)
{
    if (settings.dns.virtual_range.contains(address)) return false;
    switch (address.scope()) {
    case ip_scope::global:
    case ip_scope::documentation:
        return true;
    case ip_scope::private_use:
    case ip_scope::shared:
    case ip_scope::benchmarking:
        return !ip_address::parse(host) && !is_public_name(host);
    default:
        return false;
    }
}

}  // namespace

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

}  // namespace cofferdam::gateway
