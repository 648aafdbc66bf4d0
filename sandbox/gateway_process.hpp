#pragma once

#include <string>

namespace cofferdam::sandbox {

/// Leaves a gateway that serves others what it needs and no way to more: CAP_NET_ADMIN (verdicts on queued packets, marks, its
/// ruleset), no_new_privs, and a system call filter (that of jobs, no execve, no AF_ALG). With `user` (by name) the process is
/// that user's from then on, in no groups but its own. Before there are other threads. Throws launch_error.
void drop_gateway_privileges(const std::string& user);

} // namespace cofferdam::sandbox
