#pragma once

#include <cstdint>
#include <sys/types.h>

namespace cofferdam::sandbox {

/// Who starts the job, as far as it matters to what the job may be.
struct caller {
    uid_t uid = 0;
    gid_t gid = 0;
    /// Root with CAP_SETUID and CAP_SETGID: the job keeps every id of the caller's range, so that package managers can
    /// change owners and users. Otherwise it keeps the caller's own uid and gid.
    bool root = false;
    std::uint64_t capabilities = 0; ///< effective; the job's are a subset
};

/// Throws launch_error if real and effective ids differ (a setuid gateway would lend its rights to the job).
caller identify_caller();

/// Writes the id maps of `child`, a process just cloned into a new user namespace. Throws launch_error.
void write_id_maps(pid_t child, const caller& who);

} // namespace cofferdam::sandbox
