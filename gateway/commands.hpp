#pragma once

#include "gateway/run_command.hpp"

#include <string>
#include <vector>

namespace cofferdam::gateway {

/// The other subcommands of the command line. Each prints to standard output and returns the exit code. They throw what
/// loading throws (config_error, policy_error, std::exception); main turns that into one line and exit_config.

struct policy_request {
    std::string policy;
    config::overrides extra;
    std::string phase;
};

/// `cofferdam check F...`: 0, or exit_config after the first located error.
int check_command(const policy_request& request);

/// `cofferdam explain --policy F (METHOD URL | dns NAME | tcp HOST:PORT | udp HOST:PORT)`: which rule decides, and why.
/// 0 if it would be allowed, 1 if refused.
int explain_command(const policy_request& request, const std::vector<std::string>& question);

/// `cofferdam verify AUDIT [--allow H]...`: 1 and a list if something is outside the list, or the log is not whole.
int verify_command(const std::string& log, const std::vector<std::string>& allow);

/// `cofferdam report AUDIT --format F`.
int report_command(const std::string& log, const std::string& format);

} // namespace cofferdam::gateway
