#pragma once

#include <string>
#include <string_view>

namespace cofferdam::gateway {

/// Whether `id` is how a container is called: 12 to 64 lower-case hexadecimal digits.
bool is_container_id(std::string_view id) noexcept;

/// The whole id of the container that a process is in, if it begins with `id`, by what /proc/PID/cgroup says of the process: the
/// last 64 hexadecimal digits in one row of the path of a control group (".../docker-ID.scope", "/docker/ID", ...). Of containers
/// in containers it is the innermost. Empty: it is in none that is called so.
std::string container_of(std::string_view cgroups, std::string_view id);

/// The first process of the container. Throws std::runtime_error where there is none, or `id` means more than one container.
int find_container_process(const std::string& id, const std::string& proc = "/proc");

} // namespace cofferdam::gateway
