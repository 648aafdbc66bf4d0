#pragma once

#include "core/ip.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace cofferdam {

/// The process at the job's end of a flow, as far as it could be found out (nothing here is trusted for a decision
/// unless a rule asks for it).
struct process_identity {
    std::int64_t pid = 0;             ///< in the gateway's PID namespace
    std::string exe;                  ///< /proc/PID/exe
    std::vector<std::string> cmdline; ///< /proc/PID/cmdline, truncated
    std::uint32_t uid = 0;
};

/// The downstream end of a flow.
struct flow_source {
    ip_endpoint address;
    std::shared_ptr<const process_identity> process; ///< null if unknown
};

/// 20 characters [0-9a-v], unique in the life of the process and sortable by time of creation (as Qtap's ids).
std::string new_identifier();
/// `out` becomes a new one; it keeps its memory.
void renew_identifier(std::string& out);

} // namespace cofferdam
