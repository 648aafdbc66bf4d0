#pragma once

#include <string>

namespace cofferdam::sandbox {

/// Whose a gateway is to be after its start: `configured` (by name), if that says somebody. Else, for a gateway that was started
/// as root and may become another: cofferdam, where there is such a user, or nobody. Empty: it stays who it is, which is what
/// `root` asks for. Throws launch_error.
std::string gateway_user(const std::string& configured);

/// Leaves a gateway that serves others what it needs and no way to more: CAP_NET_ADMIN (verdicts on queued packets, marks, its
/// ruleset), no_new_privs, and a system call filter (that of jobs, no execve, no AF_ALG). With `user` (by name) the process is
/// that user's from then on, in no groups but its own. Before there are other threads. Throws launch_error.
void drop_gateway_privileges(const std::string& user);

/// Makes the log at `path` if it is not there, and gives it to `user` (by name; empty: nothing is done). Throws launch_error.
void make_gateway_log(const std::string& path, const std::string& user);

/// Makes `folder` if it is not there, for `user` (by name; empty: for the caller). Throws launch_error.
void make_gateway_folder(const std::string& folder, const std::string& user);

} // namespace cofferdam::sandbox
