#pragma once

#include "config/load.hpp"
#include "gateway/attach_namespace.hpp"

#include <string>
#include <vector>

namespace cofferdam::gateway {

/// `cofferdam job …`: asks a running `cofferdam serve` by its control socket.
struct job_command_request {
    std::string control = "/run/cofferdam/control.sock";
    std::string id, name, phase, policy, ca_file, report;
    std::vector<std::string> sources;
    namespace_request attach;
    config::overrides extra;
    bool json = false;
    bool fail_on_deny = false;
    unsigned drain_ms = 3000;
};

/// Each prints what came of it and returns the exit code: 0; 1 if the gateway refused; exit_denied for `stop` with fail_on_deny
/// where something was denied. They throw what loading a policy throws, and std::runtime_error where nobody answers.
int job_start_command(const job_command_request& request);
/// Seals a network namespace for a job. Throws what target_namespace throws, too.
int job_attach_command(const job_command_request& request);
int job_phase_command(const job_command_request& request);
int job_stop_command(const job_command_request& request);
int job_list_command(const job_command_request& request);
/// The policy of the default job, anew from the gateway's configuration.
int job_reload_command(const job_command_request& request);

} // namespace cofferdam::gateway
