#pragma once

#include <string>
#include <vector>

namespace cofferdam::sandbox {

/// Which paths are hidden from the job, so that no process outside can be asked to act for it. All canonical.
struct socket_plan {
    std::vector<std::string> directories; ///< replaced by fresh empty ones: sockets made later outside stay invisible too
    std::vector<std::string> sockets;     ///< replaced one by one, where the directory must stay
    std::vector<std::string> allowed;
    bool complete = true;               ///< false: there were too many files to look at all
    std::vector<std::string> variables; ///< environment variables that lead to a hidden path
};

/// Looks for sockets in the calling process's namespaces: those that are bound (/proc/net/unix), those found as files in
/// the run-time directories and mounts, and the directories where well-known services put theirs. Directories that hold
/// `keep` (the working directory) are not hidden whole. Throws launch_error if an `allowed` path is no socket.
socket_plan plan_sockets(const std::vector<std::string>& allowed, const std::string& keep);

} // namespace cofferdam::sandbox
