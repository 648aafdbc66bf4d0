#include "sandbox/mounts.hpp"
#include "sandbox/view.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/mount.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

struct device {
    std::string name;
    unique_fd original;
    bool directory = false;
};

constexpr unsigned long quiet = MS_NOSUID | MS_NOEXEC;

/// Descriptors of the devices to keep, taken before a new /dev covers them.
std::vector<device> open_devices()
{
    std::vector<device> found;
    const auto keep = [&found](const std::string& name, const std::string& from) {
        struct stat status {};
        if (::stat(from.c_str(), &status) != 0 || (!S_ISCHR(status.st_mode) && !S_ISDIR(status.st_mode))) return;
        if (auto fd = open_path(from)) found.push_back({name, std::move(fd), S_ISDIR(status.st_mode)});
    };
    for (const std::string name : {"null", "zero", "full", "random", "urandom", "tty", "kvm", "fuse", "kfd", "dri"}) {
        keep(name, "/dev/" + name);
    }
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/dev", ignored)) {
        const auto name = entry.path().filename().string();
        if (name.compare(0, 6, "nvidia") == 0) keep(name, entry.path().string());
    }
    std::array<char, 256> tty{};
    if (::ttyname_r(0, tty.data(), tty.size()) == 0) keep("console", tty.data());
    return found;
}

void make_file(const std::string& path)
{
    const unique_fd file(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
    if (!file) throw_errno("making " + path);
}

void make_directory(const std::string& path, mode_t mode)
{
    if (::mkdir(path.c_str(), mode) != 0 || ::chmod(path.c_str(), mode) != 0) throw_errno("making " + path);
}

void bind_devices(const std::vector<device>& devices)
{
    for (const auto& [name, original, directory] : devices) {
        const auto path = "/dev/" + name;
        if (directory)
            make_directory(path, 0755);
        else
            make_file(path);
        bind_mount(path_of(original), path, directory);
        // A device on a read-only mount still opens for writing, but its mode and owner, the system's, cannot be changed.
        if (!add_mount_flags(path, MS_RDONLY | quiet)) throw_errno("making " + path + " read-only");
    }
}

void link_to(const char* target, const std::string& path)
{
    if (::symlink(target, path.c_str()) != 0) throw_errno("making " + path);
}

/// glibc gives terminals to group tty, 5 in every distribution; ids that the map does not show cannot be asked for.
void mount_terminals(const caller& who)
{
    make_directory("/dev/pts", 0755);
    const std::string common = "newinstance,ptmxmode=0666,mode=0620";
    if (!who.root || ::mount("devpts", "/dev/pts", "devpts", quiet, (common + ",gid=5").c_str()) != 0) {
        mount_at("devpts", "/dev/pts", "devpts", quiet, common);
    }
    link_to("pts/ptmx", "/dev/ptmx");
}

} // namespace

void build_dev(const caller& who)
{
    const auto devices = open_devices();
    const bool queues = open_path("/dev/mqueue").get() >= 0;
    mount_at("tmpfs", "/dev", "tmpfs", quiet, "mode=0755");
    bind_devices(devices);
    link_to("/proc/self/fd", "/dev/fd");
    link_to("/proc/self/fd/0", "/dev/stdin");
    link_to("/proc/self/fd/1", "/dev/stdout");
    link_to("/proc/self/fd/2", "/dev/stderr");
    mount_terminals(who);
    make_directory("/dev/shm", 01777);
    mount_at("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    if (queues) {
        make_directory("/dev/mqueue", 01777);
        mount_at("mqueue", "/dev/mqueue", "mqueue", quiet | MS_NODEV);
    }
    make_directory(files_directory, 0755);
    make_directory(private_directory, 0755);
    make_directory(std::string(private_directory) + "/empty", 0555);
    const auto dead_socket = std::string(private_directory) + "/socket";
    if (::mknod(dead_socket.c_str(), S_IFSOCK | 0777, 0) != 0) throw_errno("making " + dead_socket);
}

void seal_dev()
{
    // Without MS_BIND the file system itself becomes read-only, and with it what was bound from here elsewhere.
    mount_at(nullptr, "/dev", nullptr, MS_REMOUNT | MS_RDONLY | quiet);
}

} // namespace cofferdam::sandbox
