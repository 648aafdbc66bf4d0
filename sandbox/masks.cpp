#include "sandbox/mounts.hpp"
#include "sandbox/view.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

/// A fresh directory with the old one's owner and mode: what the job itself starts can still put its sockets there.
void hide_directory(const std::string& path)
{
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return; // gone, or not reachable for the job either
    std::array<char, 16> mode{};
    std::snprintf(mode.data(), mode.size(), "mode=%o", status.st_mode & 07777U);
    mount_at("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, mode.data());
    if (::chown(path.c_str(), status.st_uid, status.st_gid) != 0 && errno != EINVAL && errno != EPERM) {
        throw_errno("owner of " + path);
    }
}

struct open_socket {
    std::string path;
    unique_fd original;
    ino_t inode = 0;
};

std::vector<open_socket> open_allowed(const std::vector<std::string>& paths)
{
    std::vector<open_socket> opened;
    for (const auto& path : paths) {
        struct stat status {};
        auto fd = open_path(path, false);
        if (!fd || ::fstat(fd.get(), &status) != 0) throw_errno("allowed socket " + path);
        opened.push_back({path, std::move(fd), status.st_ino});
    }
    return opened;
}

/// Puts an allowed socket back that went with its directory.
void show_socket(const open_socket& socket)
{
    struct stat status {};
    if (::lstat(socket.path.c_str(), &status) == 0 && status.st_ino == socket.inode) return;
    if (!make_directories(parent_of(socket.path)) || ::mknod(socket.path.c_str(), S_IFSOCK | 0600, 0) != 0) {
        throw_errno("making " + socket.path);
    }
    bind_mount(path_of(socket.original), socket.path);
}

} // namespace

void hide_sockets(const socket_plan& plan, notes& said)
{
    const auto allowed = open_allowed(plan.allowed);
    const auto dead_socket = std::string(private_directory) + "/socket";
    for (const auto& path : plan.sockets) {
        if (!open_path(path, false)) continue;
        bind_mount(dead_socket, path);
        said.push_back("hidden socket: " + path);
    }
    for (const auto& path : plan.directories) {
        hide_directory(path);
        said.push_back("hidden directory: " + path);
    }
    if (!plan.complete) said.push_back("not all files in run-time directories were searched for sockets: there are too many");
    for (const auto& socket : allowed) {
        show_socket(socket);
        said.push_back("left open, a process outside acts for the job there: " + socket.path);
    }
}

} // namespace cofferdam::sandbox
