#include "gateway/container_process.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <utility>

namespace cofferdam::gateway {
namespace {

constexpr std::size_t shortest_id = 12, whole_id = 64;
constexpr std::string_view digits = "0123456789abcdef";

/// The last id in a control group's path; empty: there is none.
std::string_view last_id(std::string_view path)
{
    std::string_view out;
    for (std::size_t at = 0; at < path.size();) {
        const auto begin = path.find_first_of(digits, at);
        if (begin == path.npos) break;
        const auto end = std::min(path.find_first_not_of(digits, begin), path.size());
        if (end - begin == whole_id) out = path.substr(begin, whole_id);
        at = end;
    }
    return out;
}

int process_number(const std::filesystem::path& entry)
{
    const auto name = entry.filename().string();
    int out = 0;
    const auto [stop, ec] = std::from_chars(name.data(), name.data() + name.size(), out);
    return ec == std::errc() && stop == name.data() + name.size() ? out : 0;
}

std::string read_cgroups(const std::filesystem::path& process)
{
    std::ifstream in(process / "cgroup", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

} // namespace

bool is_container_id(std::string_view id) noexcept
{
    return id.size() >= shortest_id && id.size() <= whole_id && id.find_first_not_of(digits) == id.npos;
}

std::optional<container_place> container_of(std::string_view cgroups, std::string_view id)
{
    while (!cgroups.empty()) {
        const auto line = cgroups.substr(0, cgroups.find('\n'));
        cgroups.remove_prefix(std::min(line.size() + 1, cgroups.size()));
        const auto found = last_id(line);
        if (!found.empty() && found.starts_with(id))
            return container_place{std::string(found), static_cast<std::size_t>(std::count(line.begin(), line.end(), '/'))};
    }
    return std::nullopt;
}

int find_container_process(const std::string& id, const std::string& proc)
{
    if (!is_container_id(id)) throw std::runtime_error("a container's id has 12 to 64 hexadecimal digits");
    std::map<std::string, std::pair<std::size_t, int>> found;
    std::error_code ec;
    for (const auto& each : std::filesystem::directory_iterator(proc, ec)) {
        const int number = process_number(each.path());
        if (number == 0) continue;
        const auto container = container_of(read_cgroups(each.path()), id);
        if (!container) continue;
        const std::pair place{container->depth, number};
        const auto [known, added] = found.emplace(container->id, place);
        if (!added) known->second = std::min(known->second, place);
    }
    if (found.empty()) throw std::runtime_error("no process runs in a container " + id);
    if (found.size() > 1) throw std::runtime_error("more than one container is called " + id + "...: give more digits");
    return found.begin()->second.second;
}

} // namespace cofferdam::gateway
