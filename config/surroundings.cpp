#include "config/surroundings.hpp"

#include "config/document.hpp"

#include <algorithm>
#include <fstream>
#include <unistd.h>

namespace cofferdam::config {
namespace {

namespace fs = std::filesystem;

bool holds(const fs::path& folder, const fs::path& inner)
{
    if (folder.empty() || inner.empty()) return false;
    const auto relative = inner.lexically_normal().lexically_relative(folder.lexically_normal());
    return !relative.empty() && *relative.begin() != "..";
}

bool job_writes_to(const surroundings& here, const fs::path& folder)
{
    if (!folder.is_absolute()) return true;
    for (const auto& part : folder) {
        if (part == "node_modules") return true;
    }
    const bool broad = holds(here.folder, here.home) || holds(here.folder, "/usr/bin");
    return !broad && holds(here.folder, folder);
}

} // namespace

surroundings surroundings::current()
{
    surroundings out;
    std::error_code failed;
    out.folder = fs::current_path(failed);
    for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
        const std::string_view pair(*each);
        const auto equals = pair.find('=');
        if (equals != std::string_view::npos) out.environment.emplace(pair.substr(0, equals), pair.substr(equals + 1));
    }
    out.home = out.variable("HOME");
    return out;
}

std::string surroundings::variable(const std::string& name) const
{
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
}

std::vector<fs::path> surroundings::folders_upwards() const
{
    std::vector<fs::path> out;
    for (auto at = folder; !at.empty(); at = at.parent_path()) {
        out.push_back(at);
        if (at == at.parent_path()) break;
    }
    return out;
}

fs::path surroundings::expand_home(const std::string& path) const
{
    if (path == "~") return home;
    return path.starts_with("~/") ? home / path.substr(2) : fs::path(path);
}

std::optional<std::string> read_if_there(const fs::path& path, std::size_t limit)
{
    std::error_code failed;
    if (path.empty() || !fs::is_regular_file(path, failed)) return std::nullopt; // a FIFO would wait for ever
    std::ifstream in(path, std::ios::binary);
    if (!in) return std::nullopt;
    std::string text;
    std::string piece(65536, '\0');
    while (in && text.size() <= limit) {
        in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
        text.append(piece, 0, static_cast<std::size_t>(in.gcount()));
    }
    if (text.size() > limit) throw config_error({path.string(), 0, 0}, "larger than " + std::to_string(limit) + " bytes");
    return text;
}

std::optional<fs::path> find_program(const surroundings& here, const std::string& name)
{
    const auto path = here.variable("PATH");
    for (std::size_t from = 0; from <= path.size();) {
        const auto colon = std::min(path.find(':', from), path.size());
        const fs::path folder = path.substr(from, colon - from);
        from = colon + 1;
        if (job_writes_to(here, folder)) continue;
        const auto candidate = folder / name;
        std::error_code failed;
        if (fs::is_regular_file(candidate, failed) && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return std::nullopt;
}

} // namespace cofferdam::config
