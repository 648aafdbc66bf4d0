#include "sandbox/mounts.hpp"
#include "sandbox/refusal.hpp"
#include "sandbox/view.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <map>
#include <sys/mount.h>

namespace cofferdam::sandbox {
namespace {

namespace fs = std::filesystem;

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view name)
{
    return std::find(list.begin(), list.end(), name) != list.end();
}

/// File systems by which the kernel is examined or steered, and which no build needs.
constexpr std::array<std::string_view, 16> hidden_types{
    "proc",       "devtmpfs", "devpts", "mqueue",      "debugfs",    "tracefs", "bpf",       "configfs",
    "securityfs", "efivarfs", "pstore", "binfmt_misc", "rpc_pipefs", "nfsd",    "selinuxfs", "binder"};

constexpr std::array<std::string_view, 3> group_types{"cgroup", "cgroup2", "cpuset"};

/// Errors that say: the mount is covered or not reachable, so it is not for the job either.
bool is_out_of_reach(int error)
{
    return error == ENOENT || error == EACCES || error == ENOTDIR || error == EINVAL || error == ESTALE || error == ELOOP;
}

void cover(const std::string& path)
{
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return;
    if (S_ISDIR(status.st_mode))
        mount_at("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0555");
    else
        bind_mount("/dev/null", path);
}

void restrict_mount(const mount_entry& mount, const caller& who, notes& said)
{
    if (contains(hidden_types, mount.type)) {
        cover(mount.point);
        return;
    }
    const bool frozen = contains(group_types, mount.type) || (who.uid == 0 && mount.type == "sysfs");
    const unsigned long flags = frozen ? MS_NODEV | MS_RDONLY : static_cast<unsigned long>(MS_NODEV);
    const auto old = mount_flags(mount.options);
    if ((old & flags) == flags || add_mount_flags(mount.point, old, flags) || is_out_of_reach(errno)) return;
    if (frozen) throw_errno("making " + mount.point + " read-only");
    said.push_back("devices in " + mount.point + " keep their effect: the mount cannot be changed");
}

/// Files of /proc that are not about a process: root owns them, and owning is enough to write many of them
/// (kernel.core_pattern, sysrq-trigger), whatever the capabilities.
void freeze_proc()
{
    static constexpr std::array<std::string_view, 9> secret{"kcore",       "keys",       "key-users",  "kmsg",       "timer_list",
                                                            "sched_debug", "kpagecount", "kpageflags", "kpagecgroup"};
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        const auto path = entry.path().string();
        struct stat status {};
        if (std::isdigit(static_cast<unsigned char>(name[0])) != 0 || ::lstat(path.c_str(), &status) != 0) continue;
        if (contains(secret, name))
            cover(path);
        else if (S_ISDIR(status.st_mode) || (S_ISREG(status.st_mode) && (status.st_mode & 0222U) != 0))
            bind_read_only(path, path);
    }
}

} // namespace

void mount_own_proc()
{
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        throw launch_error(explain_restriction("making the mounts private", errno));
    }
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0) return;
    const int error = errno;
    throw launch_error(explain_restriction("mounting the job's own /proc", error) +
                       (error == EPERM ? "; the kernel refuses it where parts of /proc are covered, as in containers: start the "
                                         "container with --security-opt systempaths=unconfined"
                                       : ""));
}

void restrict_kernel_files(const caller& who, notes& said)
{
    std::map<std::string, mount_entry> top; // of several mounts on one point, the last
    for (auto& mount : read_mounts()) {
        if (is_within(mount.point, "/dev") || is_within(mount.point, "/proc") || mount.type == "autofs") continue;
        auto point = mount.point;
        top.insert_or_assign(std::move(point), std::move(mount));
    }
    for (const auto& [point, mount] : top) restrict_mount(mount, who, said);
    if (who.uid != 0) return; // owning is what matters, capabilities or not
    freeze_proc();
    if (open_path("/sys/firmware")) cover("/sys/firmware");
}

} // namespace cofferdam::sandbox
