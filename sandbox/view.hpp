#pragma once

#include "sandbox/job.hpp"
#include "sandbox/sockets.hpp"
#include "sandbox/user_map.hpp"

#include <string>
#include <vector>

// The steps by which PID 1 gives the job its view of the file system, in the order in which it takes them. All run in the
// job's mount namespace with CAP_SYS_ADMIN in its user namespace, and throw launch_error.

namespace cofferdam::sandbox {

/// Where the steps put what they need, below /dev: out of the way of every path of the system.
inline constexpr const char* private_directory = "/dev/.cofferdam";

using notes = std::vector<std::string>;

/// Mounts made here stay here, those made outside later do not come in; /proc of the job's own PID namespace.
void mount_own_proc();

/// A /dev with the harmless devices, those for builds (kvm, fuse, graphics), and terminals of its own.
void build_dev(const caller& who);

/// Nothing in /dev can be made, removed or changed any more.
void seal_dev();

/// Canonical paths of `paths`: existing regular files with one link; others than regular files are left out, with a note.
std::vector<std::string> plan_protection(const std::vector<std::string>& paths, notes& said);

/// Each of `paths` becomes read-only by every path, and no directory above it can be renamed.
void protect(const std::vector<std::string>& paths, notes& said);

/// Hides the sockets of `plan`, and shows the allowed ones where a hidden directory held them.
void hide_sockets(const socket_plan& plan, notes& said);

/// Kernel interfaces in the file system: control groups read-only, foreign /proc and debugging interfaces hidden, devices
/// outside /dev without effect. For a root caller, who owns these files by uid, /proc and /sys read-only too.
void restrict_kernel_files(const caller& who, notes& said);

/// Shows `file`; where it cannot be shown, a note says so.
void show_file(const shown_file& file, const socket_plan& hidden, notes& said);

} // namespace cofferdam::sandbox
