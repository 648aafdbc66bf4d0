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
    check_entries(source.allow, *policy::policy::compile(source));
    for (const auto& [name, entries] : source.phases) check_entries(entries, *policy::policy::compile(source, name));
    return policy::policy::compile(source, phase);
}

} // namespace cofferdam::gateway
