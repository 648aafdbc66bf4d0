#include "sandbox/mounts.hpp"

#include "sandbox/errors.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mount.h>

namespace cofferdam::sandbox {

std::string read_text(const std::string& path)
{
    const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    std::array<char, 16384> part{};
    while (file) {
        const auto got = ::read(file.get(), part.data(), part.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(part.data(), static_cast<std::size_t>(got));
    }
    return text;
}

std::vector<mount_entry> read_mounts()
{
    auto table = parse_mountinfo(read_text("/proc/self/mountinfo"));
    if (table.empty()) throw launch_error("/proc/self/mountinfo cannot be read: is /proc mounted?");
    return table;
}

std::optional<mount_entry> mount_of(const std::string& path, const std::vector<mount_entry>& table)
{
    struct statx status {};
    const bool known = ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &status) == 0 &&
                       (status.stx_mask & STATX_MNT_ID) != 0;
    std::optional<mount_entry> best;
    for (const auto& entry : table) {
        if (known ? entry.id == static_cast<long>(status.stx_mnt_id)
                  : is_within(path, entry.point) && (!best || entry.point.size() >= best->point.size())) {
            best = entry;
        }
    }
    return best;
}

std::vector<std::string> every_path_of(const std::string& path, const std::vector<mount_entry>& table)
{
    std::vector<std::string> paths{path};
    struct stat own {};
    const auto mount = mount_of(path, table);
    if (!mount || ::lstat(path.c_str(), &own) != 0) return paths;
    for (auto& alias : aliases_of(path, *mount, table)) {
        struct stat other {};
        if (::lstat(alias.c_str(), &other) != 0 || other.st_ino != own.st_ino || other.st_dev != own.st_dev) continue;
        paths.push_back(std::move(alias));
    }
    return paths;
}

unsigned long mount_flags(const std::string& mount_options)
{
    struct flag {
        std::string_view name;
        unsigned long bit;
    };
    static constexpr std::array<flag, 8> known{{{"ro", MS_RDONLY},
                                                {"nosuid", MS_NOSUID},
                                                {"nodev", MS_NODEV},
                                                {"noexec", MS_NOEXEC},
                                                {"noatime", MS_NOATIME},
                                                {"nodiratime", MS_NODIRATIME},
                                                {"relatime", MS_RELATIME},
                                                {"nosymfollow", 256}}};
    unsigned long flags = 0;
    std::string_view rest = mount_options;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(','), rest.size());
        for (const auto& [name, bit] : known) {
            if (rest.substr(0, end) == name) flags |= bit;
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    // Neither noatime nor relatime is strictatime, which a remount has to ask for.
    if ((flags & (MS_NOATIME | MS_RELATIME)) == 0) flags |= MS_STRICTATIME;
    return flags;
}

void mount_at(const char* source, const std::string& target, const char* type, unsigned long flags, const std::string& data)
{
    if (::mount(source, target.c_str(), type, flags, data.empty() ? nullptr : data.c_str()) == 0) return;
    const int error = errno;
    throw_errno("mounting " + std::string(type != nullptr ? type : "") + " at " + target, error);
}

void bind_mount(const std::string& source, const std::string& target, bool recursive)
{
    const unsigned long flags = recursive ? MS_BIND | MS_REC : static_cast<unsigned long>(MS_BIND);
    if (::mount(source.c_str(), target.c_str(), nullptr, flags, nullptr) == 0) return;
    const int error = errno;
    throw_errno("binding " + source + " over " + target, error);
}

bool add_mount_flags(const std::string& target, unsigned long flags)
{
    const auto table = read_mounts();
    const auto mount = mount_of(target, table);
    return add_mount_flags(target, mount ? mount_flags(mount->options) : 0UL, flags);
}

bool add_mount_flags(const std::string& target, unsigned long old, unsigned long flags)
{
    return ::mount(nullptr, target.c_str(), nullptr, MS_REMOUNT | MS_BIND | old | flags, nullptr) == 0;
}

void bind_read_only(const std::string& source, const std::string& target)
{
    bind_mount(source, target);
    if (!add_mount_flags(target, MS_RDONLY | MS_NOSUID | MS_NODEV)) {
        const int error = errno;
        throw_errno("making " + target + " read-only", error);
    }
}

std::string path_of(const unique_fd& fd)
{
    return "/proc/self/fd/" + std::to_string(fd.get());
}

unique_fd open_path(const std::string& path, bool follow)
{
    return unique_fd(::open(path.c_str(), O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)));
}

std::optional<std::string> canonical(const std::string& path)
{
    std::array<char, PATH_MAX> resolved{};
    if (::realpath(path.c_str(), resolved.data()) == nullptr) return std::nullopt;
    return std::string(resolved.data());
}

std::string parent_of(const std::string& path)
{
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

bool make_directories(const std::string& path)
{
    if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return true;
    if (errno != ENOENT || path == "/" || path.empty()) return false;
    if (!make_directories(parent_of(path))) return false;
    return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
}

} // namespace cofferdam::sandbox
