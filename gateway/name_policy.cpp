#include "gateway/name_policy.hpp"

#include "audit/log_reader.hpp"
#include "config/document.hpp"
#include "core/text.hpp"

#include <fstream>
#include <set>

namespace cofferdam::gateway {

dns::name_rule to_name_rule(const policy::name_match& matched)
{
    dns::name_rule out;
    switch (matched.how) {
    case policy::name_match::kind::exact: out.how = dns::name_rule::kind::exact; break;
    case policy::name_match::kind::wildcard: out.how = dns::name_rule::kind::wildcard; break;
    case policy::name_match::kind::none: break;
    }
    out.suffix = matched.suffix;
    out.bits = matched.dns_bits;
    return out;
}

dns::policy_answer to_policy_answer(policy::decision verdict)
{
    dns::policy_answer out;
    out.allowed = verdict.allowed();
    out.would_allow = verdict.would == policy::action::allow;
    out.why = verdict.why;
    out.rule = std::move(verdict.rule);
    out.hint = std::move(verdict.hint);
    out.matched = to_name_rule(verdict.matched);
    return out;
}

dns::budget_settings budget_of(const config::settings& settings)
{
    auto out = settings.dns.exfiltration;
    out.job_limit_alerts_only = settings.policy.how == policy::mode::audit;
    if (!out.baseline_file.empty()) out.baseline = read_baseline(out.baseline_file, out.max_baseline);
    return out;
}

std::vector<std::string> read_baseline(const std::string& path, std::size_t limit)
{
    std::ifstream in(path, std::ios::binary);
    if (!in) throw config::config_error({path, 0, 0}, "can't be read (dns.exfiltration.baseline)");
    std::set<std::string> names;
    audit::log_reader log(in);
    for (auto line = log.next(); line || line.error() != errc::closed; line = log.next()) {
        const policy::location where{path, static_cast<int>(log.line()), 1};
        if (!line) throw config::config_error(where, "not a line of an audit log: " + line.error().message());
        const auto* query = std::get_if<audit::dns_fields>(&line->entry.what);
        if (query == nullptr || line->entry.decision.action != "allow") continue;
        names.insert(to_lower(query->qname));
        if (names.size() > limit) throw config::config_error(where, "more names than dns.exfiltration.max_baseline");
    }
    return {names.begin(), names.end()};
}

} // namespace cofferdam::gateway
