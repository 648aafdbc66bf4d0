#pragma once

#include "sandbox/listing.hpp"
#include "sandbox/unique_fd.hpp"

#include <optional>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace cofferdam::sandbox {

/// The mounts of the calling process, as they are now. Throws launch_error.
std::vector<mount_entry> read_mounts();

/// The whole text of a file of /proc; empty if it cannot be read.
std::string read_text(const std::string& path);

/// The mount that holds `path` (canonical), by the kernel's mount id or, before Linux 5.8, the longest mount point.
std::optional<mount_entry> mount_of(const std::string& path, const std::vector<mount_entry>& table);

/// All paths of the file at `path` (canonical), itself first, that name the same inode in the current mounts.
std::vector<std::string> every_path_of(const std::string& path, const std::vector<mount_entry>& table);

/// MS_ flags of mountinfo's options. A remount must repeat those that the outer user namespace locked (mount_namespaces(7)).
unsigned long mount_flags(const std::string& mount_options);

/// mount(2); throws launch_error "mounting TARGET: ...".
void mount_at(const char* source, const std::string& target, const char* type, unsigned long flags, const std::string& data = {});

/// Binds `source` (with what is mounted below it, if `recursive`) over `target`.
void bind_mount(const std::string& source, const std::string& target, bool recursive = false);

/// Adds `flags` to those of the top mount at `target`; false with errno if the kernel refuses.
bool add_mount_flags(const std::string& target, unsigned long flags);
/// The same, where the flags that it has are known.
bool add_mount_flags(const std::string& target, unsigned long old, unsigned long flags);

/// bind_mount() of a path over itself or another, then read-only.
void bind_read_only(const std::string& source, const std::string& target);

/// /proc/self/fd/N: names what the descriptor refers to, whatever is mounted over its path by now.
std::string path_of(const unique_fd& fd);

/// Opens `path` with O_PATH; none if it is not there or not reachable.
unique_fd open_path(const std::string& path, bool follow = true);

/// realpath(3); nothing if `path` does not exist or cannot be reached.
std::optional<std::string> canonical(const std::string& path);

/// The directory part of a canonical path.
std::string parent_of(const std::string& path);

/// Makes `path` and the directories on the way there that are missing. False with errno.
bool make_directories(const std::string& path);

} // namespace cofferdam::sandbox
