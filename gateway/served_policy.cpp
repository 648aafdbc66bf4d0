#include "gateway/served_policy.hpp"

namespace cofferdam::gateway {
namespace {

void check_entries(const std::vector<policy::entry_source>& entries, const policy::policy& compiled)
{
    if (compiled.udp_ports().empty()) return;
    policy::location where;
    for (const auto& each : entries) {
        where = each.where;
        if (each.text.find("udp://") != std::string::npos) break;
    }
    throw policy::policy_error(where, "udp:// entries are not carried by `cofferdam serve`");
}

} // namespace

std::shared_ptr<const policy::policy> compile_served(const policy::policy_source& source, std::string_view phase)
{
    auto out = policy::policy::compile(source);
    check_entries(source.allow, *out);
    if (!phase.empty()) out = nullptr;
    for (const auto& [name, entries] : source.phases) {
        auto compiled = policy::policy::compile(source, name);
        check_entries(entries, *compiled);
        if (name == phase) out = std::move(compiled);
    }
    return out ? out : policy::policy::compile(source, phase); // which tells that there is no such phase
}

} // namespace cofferdam::gateway
