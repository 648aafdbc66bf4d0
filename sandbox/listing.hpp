#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::sandbox {

/// One line of /proc/self/mountinfo (proc_pid_mountinfo(5)), octal escapes undone.
struct mount_entry {
    long id = 0;
    std::string device;  ///< major:minor of the file system
    std::string root;    ///< which directory of that file system is mounted
    std::string point;   ///< where
    std::string options; ///< of the mount, not of the file system: "rw,nosuid,relatime"
    std::string type;    ///< "ext4", "proc"...
};

/// Mounts in the kernel's order: of two on one point the later covers the earlier. Lines that are not understood are
/// left out. Never throws but for memory.
std::vector<mount_entry> parse_mountinfo(std::string_view text);

/// The pathnames (those that begin with '/') of bound sockets in a /proc/net/unix listing (unix(7)), each once.
std::vector<std::string> parse_unix_sockets(std::string_view text);

/// The uid_map or gid_map (user_namespaces(7)) that shows in a child every id of the map `text` as itself; empty if
/// `text` is no such map.
std::string identity_map(std::string_view text);

/// True if `path` is `directory` or below it. Both absolute, without trailing slash (but "/").
bool is_within(std::string_view path, std::string_view directory) noexcept;

/// Where else the file at `path` on the mount `own` can be reached, by the file system's other mounts.
std::vector<std::string> aliases_of(std::string_view path, const mount_entry& own, const std::vector<mount_entry>& table);

} // namespace cofferdam::sandbox
