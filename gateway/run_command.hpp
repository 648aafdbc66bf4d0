#pragma once

#include "config/load.hpp"

#include <string>
#include <vector>

namespace cofferdam::gateway {

/// What `cofferdam run` was asked to do.
struct run_request {
    std::vector<std::string> command;
    std::string policy; ///< file; empty: nothing is allowed but what the command line says
    config::overrides extra;
    std::string phase, report, metrics;
    std::vector<std::string> allowed_sockets;
    bool fail_on_deny = false;
    bool quiet = false;
    bool verbose = false; ///< tell what is hidden from the command
};

/// Exit codes of the gateway's own (DESIGN, "Command line").
inline constexpr int exit_denied = 99;
inline constexpr int exit_gateway_failed = 125;
inline constexpr int exit_config = 78; ///< EX_CONFIG of sysexits.h

/// Seals the command, serves it, reports. Returns the process's exit code. Must be called on the main thread of a process
/// that has no other.
int run_command(const run_request& request);

} // namespace cofferdam::gateway
