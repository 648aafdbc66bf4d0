#include "sandbox/stdio.hpp"

#include "sandbox/errors.hpp"

#include <array>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

constexpr std::array<const char*, 3> names{"standard input", "standard output", "standard error"};

/// Linux, Documentation/admin-guide/devices.txt: char major 1 holds null 3, zero 5, full 7, random 8, urandom 9.
bool is_harmless_device(dev_t device)
{
    if (major(device) != 1) return false;
    const auto number = minor(device);
    return number == 3 || number == 5 || number == 7 || number == 8 || number == 9;
}

const char* objection_to_socket(int fd)
{
    int family = 0;
    int type = 0;
    socklen_t size = sizeof family;
    ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
    size = sizeof type;
    ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    if (family != AF_UNIX) return "is a network socket";
    if (type != SOCK_STREAM && type != SOCK_SEQPACKET) return "is a Unix datagram socket, which can be pointed anywhere";
    sockaddr_storage peer{};
    size = sizeof peer;
    if (::getpeername(fd, static_cast<sockaddr*>(static_cast<void*>(&peer)), &size) == 0) return nullptr;
    return "is a Unix socket without a peer";
}

const char* objection_to(int fd, const struct stat& status)
{
    switch (status.st_mode & S_IFMT) {
    case S_IFREG:
    case S_IFIFO: return nullptr;
    case S_IFSOCK: return objection_to_socket(fd);
    case S_IFDIR: return "is a directory";
    case S_IFCHR: return ::isatty(fd) == 1 || is_harmless_device(status.st_rdev) ? nullptr : "is a device";
    case S_IFBLK: return "is a block device";
    default: return "is a kernel object"; // an anonymous inode has no type
    }
}

} // namespace

void check_standard_streams(const std::vector<std::string>& protected_paths)
{
    for (int fd = 0; fd <= 2; ++fd) {
        const std::string name = names[static_cast<std::size_t>(fd)];
        struct stat status {};
        if (::fstat(fd, &status) != 0) {
            if (::open("/dev/null", O_RDWR) != fd) throw launch_error(name + " is closed and /dev/null cannot take its place");
            continue;
        }
        if (const auto* objection = objection_to(fd, status)) {
            throw launch_error(name + " " + objection + ": a way out of the job's network; redirect it, e.g. < /dev/null");
        }
        for (const auto& path : protected_paths) {
            struct stat guarded {};
            if (::stat(path.c_str(), &guarded) != 0 || !S_ISREG(guarded.st_mode)) continue;
            if (guarded.st_dev == status.st_dev && guarded.st_ino == status.st_ino) {
                throw launch_error(name + " is " + path + ", which the job must not write: choose another file");
            }
        }
    }
}

} // namespace cofferdam::sandbox
