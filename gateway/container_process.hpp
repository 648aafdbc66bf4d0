#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace cofferdam::gateway {

/// Whether `id` is how a container is called: 12 to 64 lower-case hexadecimal digits.
bool is_container_id(std::string_view id) noexcept;

/// The container that a process is in, as its control group says.
struct container_place {
    std::string id;        ///< all 64 digits
    std::size_t depth = 0; ///< groups above that of the process
    friend bool operator==(const container_place&, const container_place&) = default;
};

/// The container of a process, if its id begins with `id`, by what /proc/PID/cgroup says of the process: the last 64 hexadecimal
/// digits in one row of a control group's path (".../docker-ID.scope", "/docker/ID", ...). Of containers in containers it is the
/// innermost.
std::optional<container_place> container_of(std::string_view cgroups, std::string_view id);

/// The first process of the container. Groups that a container makes may have any name, that of another container too, but lie
/// deeper than that one's own: the processes that lie highest are asked. Throws std::runtime_error where there is none, or `id`
/// means more than one container.
int find_container_process(const std::string& id, const std::string& proc = "/proc");

} // namespace cofferdam::gateway
