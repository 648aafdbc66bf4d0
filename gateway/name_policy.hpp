#pragma once

#include "config/settings.hpp"
#include "dns/judged_query.hpp"
#include "policy/decision.hpp"

#include <string>
#include <vector>

namespace cofferdam::gateway {

/// The policy's word on a name, as the resolver and the information budget take it.
dns::policy_answer to_policy_answer(policy::decision verdict);
dns::name_rule to_name_rule(const policy::name_match& matched);

/// What the job's budget is made of: the settings with the names of the accepted audit log, and the mode's leniency. Throws
/// config_error at the line of the log that can't be read.
dns::budget_settings budget_of(const config::settings& settings);

/// The names that an audit log shows allowed, each once, at most `limit`. Throws config_error, located, for a log that can't be
/// read, is no audit log, or has more names.
std::vector<std::string> read_baseline(const std::string& path, std::size_t limit);

} // namespace cofferdam::gateway
