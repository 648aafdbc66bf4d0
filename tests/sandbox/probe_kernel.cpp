#include "probe.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace probe {

/// FAMILY, perhaps with bits above the 32 that the kernel reads.
std::string make_socket(const words& arguments)
{
    return verdict(::syscall(SYS_socket, std::strtoull(arguments.at(0).c_str(), nullptr, 0), SOCK_STREAM, 0));
}

/// The system calls of the 32-bit ABI have other numbers, which a filter may have forgotten.
std::string make_socket_32bit(const words& arguments)
{
#if defined(__x86_64__)
    constexpr long socket_call = 359;
    long result = socket_call;
    const auto family = std::strtol(arguments.at(0).c_str(), nullptr, 0);
    asm volatile("int $0x80" : "+a"(result) : "b"(family), "c"(long{SOCK_STREAM}), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
    if (result >= 0) return "done";
    errno = static_cast<int>(-result);
    return verdict(-1);
#else
    return make_socket(arguments);
#endif
}

std::string type_on_terminal(const words& arguments)
{
    const char letter = 'x';
    const auto request = std::strtoull(arguments.at(0).c_str(), nullptr, 0) | TIOCSTI;
    return verdict(::syscall(SYS_ioctl, 0, request, &letter));
}

std::string request_key(const words&)
{
    return verdict(::syscall(SYS_request_key, "dns_resolver", "leak.example", "", 0));
}

std::string make_io_uring(const words&)
{
    return verdict(::syscall(SYS_io_uring_setup, 1, nullptr));
}

/// In a new user namespace: the own ids, without which no file can be made there.
static void map_own_ids(unsigned uid, unsigned gid)
{
    const auto write = [](const char* path, const std::string& text) {
        const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
        const bool done = ::write(fd, text.data(), text.size()) > 0;
        ::close(fd);
        return done;
    };
    const auto line = [](unsigned id) { return std::to_string(id) + " " + std::to_string(id) + " 1"; };
    if (!write("/proc/self/setgroups", "deny")) return;
    if (write("/proc/self/uid_map", line(uid))) write("/proc/self/gid_map", line(gid));
}

/// A mount point is busy only in the namespaces that have the mount: from a namespace without it, through a directory
/// opened before, the file below the mount could be unlinked.
std::string unlink_from_nested_mounts(const words& arguments)
{
    const int directory = ::open(arguments.at(0).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const auto uid = ::getuid();
    const auto gid = ::getgid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return verdict(-1);
    map_own_ids(uid, gid);
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) != 0 || ::mkdir("/tmp/old", 0700) != 0) return verdict(-1);
    if (::syscall(SYS_pivot_root, "/tmp", "/tmp/old") != 0 || ::umount2("/old", MNT_DETACH) != 0) return verdict(-1);
    return verdict(::unlinkat(directory, arguments.at(1).c_str(), 0));
}

std::string clone3_with_mounts(const words&)
{
    clone_args request{};
    request.flags = CLONE_NEWUSER | CLONE_NEWNS;
    request.exit_signal = SIGCHLD;
    const auto child = ::syscall(SYS_clone3, &request, sizeof request);
    if (child == 0) ::_exit(0);
    return verdict(child);
}

std::string unshare_flags(const words& arguments)
{
    return verdict(::unshare(static_cast<int>(std::strtol(arguments.at(0).c_str(), nullptr, 0))));
}

std::string trace(const words& arguments)
{
    return verdict(::ptrace(PTRACE_ATTACH, std::atoi(arguments.at(0).c_str()), nullptr, nullptr));
}

std::string signal_group(const words& arguments)
{
    ::signal(SIGTERM, SIG_IGN);
    return verdict(::kill(0, std::atoi(arguments.at(0).c_str())));
}

std::string set_terminal_signal(const words&)
{
    return verdict(::fcntl(0, F_SETSIG, SIGKILL));
}

std::string newer_call(const words& arguments)
{
    return verdict(::syscall(std::atol(arguments.at(0).c_str()), -1, nullptr, 0, nullptr, 0));
}

} // namespace probe
