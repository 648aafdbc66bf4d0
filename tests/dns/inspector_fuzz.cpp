// The inspector and the information budget: whatever messages come, in whatever order, a domain never says more than its budget,
// a blocked one stays blocked, and the same message inspected twice has the same verdict.
#include "dns/inspector.hpp"
#include "dns/tcp_framing.hpp"

#include <cstdlib>
#include <map>
#include <set>
#include <string>

using namespace cofferdam;
using namespace cofferdam::dns;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

policy_answer judge(std::string_view name, std::uint16_t)
{
    policy_answer out{true, true, reason::allowed_by_endpoint, {}, {}, {}};
    if (name.ends_with(".wild.example")) out.matched = {name_rule::kind::wildcard, "wild.example", 64};
    if (name == "exact.example") out.matched.how = name_rule::kind::exact;
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    settings how;
    how.exfiltration.max_keys = 8;
    how.exfiltration.max_paths = 32;
    how.exfiltration.max_answers = 32;
    const bindings names(how.virtual_range, how.max_names);
    budget spent(how.exfiltration);
    const inspector gate(how, names, spent, {judge});
    tcp_framing stream(max_message_size);
    stream.push({bytes, size});
    std::map<std::string, std::uint32_t> paid;
    std::set<std::string> blocked;
    for (auto message = stream.next(); message; message = stream.next()) {
        const auto once = gate.inspect(*message, transport::tcp, {}, 1, {});
        const auto twice = gate.inspect(*message, transport::tcp, {}, 1, {});
        require(once.index() == twice.index());
        if (const auto* query = std::get_if<passed>(&once); query != nullptr && query->paid) {
            const auto& charged = *query->paid;
            require(charged.allowed && std::get<passed>(twice).paid->cost == 0);
            if (charged.tier == name_tier::known) continue;
            const auto key = std::string(to_string(charged.tier)) + ' ' + std::string(charged.key.view());
            require(!blocked.contains(key));
            paid[key] += charged.cost;
            require(paid[key] == charged.spent && charged.spent <= charged.limit);
        }
        if (const auto* refused = std::get_if<answer>(&once); refused != nullptr && refused->facts.paid) {
            const auto& charged = *refused->facts.paid;
            require(!charged.allowed && !refused->facts.decision.allowed);
            if (charged.tier != name_tier::provider && charged.setting != "max_keys")
                blocked.insert(std::string(to_string(charged.tier)) + ' ' + std::string(charged.key.view()));
        }
    }
    return 0;
}
