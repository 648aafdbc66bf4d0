#include "sandbox/sockets.hpp"

#include "sandbox/errors.hpp"
#include "sandbox/mounts.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

namespace fs = std::filesystem;

constexpr int max_scanned_entries = 20'000;
constexpr int max_scan_depth = 5;
constexpr int max_socket_directory_entries = 64;

/// Where services outside take requests. Name services (nscd, sssd, winbind, avahi, resolved) are on the list because they
/// would resolve names for the job.
constexpr std::array service_directories{"/run/docker",
                                         "/run/containerd",
                                         "/run/podman",
                                         "/run/crio",
                                         "/run/buildkit",
                                         "/run/dbus",
                                         "/run/systemd",
                                         "/run/snapd",
                                         "/run/libvirt",
                                         "/run/lxd",
                                         "/run/incus",
                                         "/run/nscd",
                                         "/run/sssd",
                                         "/run/avahi-daemon",
                                         "/run/samba",
                                         "/run/screen",
                                         "/run/tmux",
                                         "/run/cups",
                                         "/run/pcscd",
                                         "/run/acpid",
                                         "/run/rpcbind",
                                         "/run/gssproxy",
                                         "/run/k3s",
                                         "/run/uuidd",
                                         "/tmp/.X11-unix",
                                         "/tmp/.ICE-unix",
                                         "/tmp/.XIM-unix",
                                         "/var/lib/sss/pipes",
                                         "/var/lib/samba/winbindd_privileged",
                                         "/var/lib/gssproxy",
                                         "/var/lib/lxd/unix.socket.d",
                                         "/var/lib/incus/guestapi"};

/// Directories below /tmp that hold the user's own agents.
constexpr std::array agent_prefixes{"tmux-", "ssh-", "screen-", "dbus-", "gpg-", "keyring-", "pulse-", "vscode-ipc-"};

/// Variables that name a socket (or a directory of them).
constexpr std::array socket_variables{"DOCKER_HOST",
                                      "CONTAINER_HOST",
                                      "BUILDKIT_HOST",
                                      "DBUS_SESSION_BUS_ADDRESS",
                                      "DBUS_SYSTEM_BUS_ADDRESS",
                                      "SSH_AUTH_SOCK",
                                      "GPG_AGENT_INFO",
                                      "NOTIFY_SOCKET",
                                      "TMUX",
                                      "VSCODE_IPC_HOOK_CLI",
                                      "VSCODE_GIT_IPC_HANDLE",
                                      "I3SOCK",
                                      "SWAYSOCK",
                                      "PULSE_SERVER",
                                      "XDG_RUNTIME_DIR",
                                      "CONTAINERD_ADDRESS",
                                      "LXD_SOCKET",
                                      "INCUS_SOCKET"};

bool is_socket(const std::string& path)
{
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

bool is_directory(const std::string& path)
{
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool ends_with(const std::string& text, std::string_view end)
{
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// The path in "unix:///run/x", "unix:path=/run/x,guid=..", "/run/x,123,0", "/run/x:4:1"; empty if there is none.
std::string socket_path_in(std::string_view value)
{
    for (const std::string_view prefix : {"unix://", "unix:path=", "unix:"}) {
        if (value.substr(0, prefix.size()) != prefix) continue;
        value.remove_prefix(prefix.size());
        break;
    }
    if (value.empty() || value[0] != '/') return {};
    return std::string(value.substr(0, value.find_first_of(",;:")));
}

/// True if nothing but sockets and what goes with them lives in `directory`, so that it can be hidden as a whole.
bool holds_only_sockets(const std::string& directory)
{
    int entries = 0;
    std::error_code ignored;
    for (fs::directory_iterator it(directory, ignored), end; it != end; it.increment(ignored)) {
        const auto name = it->path().filename().string();
        if (++entries > max_socket_directory_entries) return false;
        if (is_socket(it->path().string()) || ends_with(name, ".pid") || ends_with(name, ".lock")) continue;
        return false;
    }
    return !ignored && entries > 0;
}

class planner {
public:
    planner(std::string keep, socket_plan& plan) : keep_(std::move(keep)), plan_(plan) {}

    void hide_directory(const std::string& path)
    {
        const auto real = canonical(path);
        if (!real || !is_directory(*real) || is_shared(*real)) return;
        directories_.insert(*real);
    }

    void hide_socket(const std::string& path)
    {
        const auto real = canonical(path);
        if (!real || !is_socket(*real)) return;
        const auto directory = parent_of(*real);
        // Elsewhere a directory may be the project's: what the job writes there must stay.
        const bool system_place = is_within(directory, "/run") || is_within(directory, "/tmp") || is_within(directory, "/var");
        if (system_place && !is_shared(directory) && holds_only_sockets(directory))
            directories_.insert(directory);
        else
            sockets_.insert(*real);
    }

    /// Sockets below `root`, by name, those near it first: the number of entries looked at is bounded.
    void scan(const std::string& root)
    {
        int scanned = 0;
        for (std::deque<place> open{{root, 0}}; !open.empty(); open.pop_front()) {
            if (scan_directory(open.front(), open, scanned)) continue;
            plan_.complete = false;
            return;
        }
    }

    /// Adds every other path of what is hidden, and leaves out what a hidden directory covers.
    void finish(const std::vector<mount_entry>& table)
    {
        for (const auto& path : std::set(directories_)) {
            for (auto& alias : every_path_of(path, table)) directories_.insert(std::move(alias));
        }
        for (const auto& path : std::set(sockets_)) {
            for (auto& alias : every_path_of(path, table)) sockets_.insert(std::move(alias));
        }
        for (const auto& path : directories_) {
            if (!is_hidden(path)) plan_.directories.push_back(path);
        }
        for (const auto& path : sockets_) {
            const bool allowed = std::count(plan_.allowed.begin(), plan_.allowed.end(), path) != 0;
            if (!allowed && !is_hidden(path)) plan_.sockets.push_back(path);
        }
    }

    bool is_hidden(const std::string& path) const
    {
        return std::any_of(plan_.directories.begin(), plan_.directories.end(),
                           [&](const auto& directory) { return is_within(path, directory); });
    }

private:
    struct place {
        fs::path directory;
        int depth = 0;
    };

    /// Notes sockets, and directories to be looked at later. A directory that vanishes meanwhile (others work in /tmp too) or
    /// can't be read ends no more than the look at itself. False: enough was looked at.
    bool scan_directory(const place where, std::deque<place>& later, int& scanned)
    {
        std::error_code ended, ignored;
        const auto options = fs::directory_options::skip_permission_denied;
        for (fs::directory_iterator it(where.directory, options, ended), end; !ended && it != end; it.increment(ended)) {
            if (++scanned > max_scanned_entries) return false;
            if (it->is_socket(ignored)) hide_socket(it->path().string());
            // What the directory itself says of its entries' types: asking for each costs as much as all else here.
            const bool descend = where.depth < max_scan_depth && !it->is_symlink(ignored) && it->is_directory(ignored);
            if (descend) later.push_back({it->path(), where.depth + 1});
        }
        return true;
    }

    /// Directories that belong to everybody, the home, and those with the working directory in them.
    bool is_shared(const std::string& path) const
    {
        for (const auto* common : {"/", "/run", "/tmp", "/var", "/var/tmp", "/var/run", "/var/lib", "/home", "/root", "/etc",
                                   "/dev", "/dev/shm", "/run/lock", "/usr", "/opt", "/mnt", "/srv", "/proc", "/sys"}) {
            if (path == common) return true;
        }
        const auto* home = std::getenv("HOME");
        return is_within(keep_, path) || (home != nullptr && is_within(home, path)) || is_within(path, "/proc") ||
               is_within(path, "/dev");
    }

    std::string keep_;
    socket_plan& plan_;
    std::set<std::string> directories_;
    std::set<std::string> sockets_;
};

void hide_agents(planner& plan)
{
    std::error_code ignored;
    for (fs::directory_iterator it("/run/user", ignored), end; it != end; it.increment(ignored)) {
        plan.hide_directory(it->path().string());
    }
    for (fs::directory_iterator it("/tmp", ignored), end; it != end; it.increment(ignored)) {
        const auto name = it->path().filename().string();
        for (const std::string_view prefix : agent_prefixes) {
            if (name.compare(0, prefix.size(), prefix) != 0) continue;
            const auto path = it->path().string();
            if (is_directory(path) && holds_only_sockets(path)) plan.hide_directory(path);
        }
    }
}

} // namespace

socket_plan plan_sockets(const std::vector<std::string>& allowed, const std::string& keep)
{
    socket_plan result;
    for (const auto& path : allowed) {
        const auto real = canonical(path);
        if (!real || !is_socket(*real)) throw launch_error("allowed socket " + path + ": no such socket");
        result.allowed.push_back(*real);
    }
    const auto table = read_mounts();
    planner plan(keep, result);
    for (const auto* directory : service_directories) plan.hide_directory(directory);
    for (const auto* name : socket_variables) {
        const auto* value = std::getenv(name);
        const auto path = value != nullptr ? socket_path_in(value) : std::string{};
        if (path.empty()) continue;
        if (std::string_view(name) == "XDG_RUNTIME_DIR")
            plan.hide_directory(path);
        else
            plan.hide_socket(path);
    }
    for (const auto& path : parse_unix_sockets(read_text("/proc/net/unix"))) plan.hide_socket(path);
    for (const auto& mount : table) {
        plan.hide_socket(mount.point);
        if (mount.type == "tmpfs" && !is_within(mount.point, "/dev") && !is_within(mount.point, "/sys")) plan.scan(mount.point);
    }
    hide_agents(plan);
    plan.scan("/run");
    plan.scan("/tmp");
    plan.finish(table);
    for (const auto* name : socket_variables) {
        const auto* value = std::getenv(name);
        const auto path = canonical(value != nullptr ? socket_path_in(value) : std::string{});
        if (!path || std::string_view(name) == "XDG_RUNTIME_DIR") continue;
        if (std::count(result.allowed.begin(), result.allowed.end(), *path) == 0) result.variables.emplace_back(name);
    }
    return result;
}

} // namespace cofferdam::sandbox
