#include "sandbox/mounts.hpp"
#include "sandbox/view.hpp"

#include <set>
#include <sys/mount.h>

namespace cofferdam::sandbox {
namespace {

/// Makes `directory` busy for rename(2) and rmdir(2) in this mount namespace without a mount on its ordinary path, which
/// would break hard links and renames between it and its neighbours (EXDEV): it is bound where nobody goes, and an empty
/// directory mounted on that. The kernel asks whether a directory is a mount point by any path.
void pin(const std::string& directory, const std::string& place)
{
    if (!make_directories(place)) throw_errno("making " + place);
    bind_mount(directory, place, true);
    bind_mount(std::string(private_directory) + "/empty", place);
}

} // namespace

std::vector<std::string> plan_protection(const std::vector<std::string>& paths, notes& said)
{
    std::vector<std::string> planned;
    for (const auto& path : paths) {
        const auto real = canonical(path);
        struct stat status {};
        if (!real || ::lstat(real->c_str(), &status) != 0) throw_errno("protecting " + path);
        if (!S_ISREG(status.st_mode)) {
            said.push_back("not protected, not a regular file: " + path);
            continue;
        }
        if (status.st_nlink > 1) {
            throw launch_error("protecting " + path + ": the file has other names (hard links), by which the job could write it");
        }
        planned.push_back(*real);
    }
    return planned;
}

void protect(const std::vector<std::string>& paths, notes& said)
{
    const auto table = read_mounts();
    std::set<std::string> directories;
    for (const auto& path : paths) {
        for (const auto& name : every_path_of(path, table)) {
            bind_read_only(name, name);
            for (auto above = parent_of(name); above != "/"; above = parent_of(above)) directories.insert(above);
            said.push_back("protected: " + name);
        }
    }
    int number = 0;
    for (const auto& directory : directories) pin(directory, std::string(private_directory) + "/pin/" + std::to_string(number++));
}

} // namespace cofferdam::sandbox
