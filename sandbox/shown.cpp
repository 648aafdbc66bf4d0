#include "sandbox/mounts.hpp"
#include "sandbox/view.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

void write_file(const std::string& path, const shown_file& file)
{
    const unique_fd made(::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600));
    std::string_view rest = file.content;
    while (made && !rest.empty()) {
        const auto written = ::write(made.get(), rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) break;
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    if (!made || !rest.empty() || ::fchmod(made.get(), file.mode) != 0) throw_errno("showing " + file.path);
}

/// Where the symbolic links from `path` lead, although nothing is there.
std::string end_of_links(std::string path)
{
    constexpr int max_links = 40; // path_resolution(7)
    std::array<char, PATH_MAX> link{};
    for (int links = 0; links < max_links; ++links) {
        const auto size = ::readlink(path.c_str(), link.data(), link.size());
        if (size <= 0) break;
        const std::string target(link.data(), static_cast<std::size_t>(size));
        path = target[0] == '/' ? target : parent_of(path) + "/" + target;
    }
    return path;
}

/// `path` without "." and ".."; good where no component is a link.
std::string without_dots(const std::string& path)
{
    std::string clean;
    std::size_t at = 0;
    while (at < path.size()) {
        const auto end = std::min(path.find('/', at), path.size());
        const auto part = path.substr(at, end - at);
        at = end + 1;
        if (part.empty() || part == ".") continue;
        if (part == "..")
            clean = clean.empty() ? clean : clean.substr(0, clean.rfind('/'));
        else
            clean += "/" + part;
    }
    return clean.empty() ? "/" : clean;
}

/// The file to bind over. A file that is missing is made only where that changes nothing outside: in hidden directories
/// (/etc/resolv.conf often leads into /run/systemd/resolve).
std::optional<std::string> find_target(const std::string& path, const socket_plan& hidden)
{
    if (auto real = canonical(path)) return real;
    const auto target = without_dots(end_of_links(path));
    const bool ours = std::any_of(hidden.directories.begin(), hidden.directories.end(),
                                  [&](const auto& directory) { return is_within(target, directory); }) ||
                      std::any_of(hidden.directories.begin(), hidden.directories.end(), [&](const auto& directory) {
                          const auto above = canonical(parent_of(target));
                          return above && is_within(*above, directory);
                      });
    if (!ours || !make_directories(parent_of(target))) return std::nullopt;
    const unique_fd made(::open(target.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    return made ? canonical(target) : std::nullopt;
}

} // namespace

void show_file(const shown_file& file, const socket_plan& hidden, notes& said)
{
    const auto path = without_dots(file.path);
    if (is_within(path, files_directory)) {
        if (!make_directories(parent_of(path))) throw_errno("showing " + path);
        write_file(path, file);
        return;
    }
    const auto target = find_target(path, hidden);
    struct stat status {};
    if (!target || ::stat(target->c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
        said.push_back("not shown, no such file here: " + path);
        return;
    }
    static int number = 0; // of this PID 1
    const auto content = std::string(private_directory) + "/shown-" + std::to_string(number++);
    write_file(content, file);
    bind_read_only(content, *target);
}

} // namespace cofferdam::sandbox
