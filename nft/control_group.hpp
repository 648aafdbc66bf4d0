#pragma once

#include "core/bytes.hpp"

#include <cstdint>
#include <string>

namespace cofferdam::nft {

/// Control groups (cgroups(7), version 2) as clients' sockets are known by.

inline constexpr std::size_t control_group_path_limit = 4095;
inline constexpr std::uint32_t control_group_depth_limit = 255; ///< `socket cgroupv2 level`, linux/net/netfilter/nft_socket.c

/// The path of a group below the mount of the hierarchy, "/system.slice/ci-job-7.scope"; "/" is its root. A slash at the end is
/// taken off. errc::malformed if it is not absolute, or has an empty part, "." , ".." or a character that is not printable ASCII;
/// errc::too_large beyond the limits.
result<std::string> parse_control_group_path(std::string_view text);

/// How many parts a path has, "/" has none.
std::uint32_t depth_of(std::string_view path) noexcept;

/// Where the hierarchy is mounted.
struct control_group_mount {
    std::string point;
    std::string root; ///< the group that is seen there, from the root of this process's cgroup namespace
};

/// Finds it in /proc/PID/mountinfo (proc(5)): a mount of the whole hierarchy, else one of a part. errc::not_found: there is none.
result<control_group_mount> find_control_group_mount(std::string_view mountinfo);

} // namespace cofferdam::nft
