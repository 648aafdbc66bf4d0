#pragma once

#include <string>

namespace cofferdam::sandbox {

/// Leaves a gateway that serves others what it needs and no way to more: CAP_NET_ADMIN (verdicts on queued packets, marks, its
/// ruleset), no_new_privs, and a system call filter (that of jobs, and no execve). With `user` (by name) the process is that
/// user's from then on, in no groups but its own. Before there are other threads. Throws launch_error.
void drop_gateway_privileges(const std::string& user);

/// Makes `folder` if it is not there, for `user` (by name; empty: for the caller). Throws launch_error.
void make_gateway_folder(const std::string& folder, const std::string& user);

} // namespace cofferdam::sandbox
