#include "sandbox/user_map.hpp"

#include "sandbox/errors.hpp"
#include "sandbox/listing.hpp"
#include "sandbox/mounts.hpp"
#include "sandbox/privileges.hpp"
#include "sandbox/refusal.hpp"
#include "sandbox/unique_fd.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

void write_file(const std::string& path, const std::string& text)
{
    const unique_fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    // The kernel takes a map in one write only.
    if (file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return;
    const int error = errno;
    throw launch_error(explain_refusal("writing " + path, error));
}

} // namespace

caller identify_caller()
{
    if (::getuid() != ::geteuid() || ::getgid() != ::getegid()) {
        throw launch_error("real and effective ids differ: do not install this program setuid or setgid");
    }
    caller who;
    who.uid = ::getuid();
    who.gid = ::getgid();
    who.capabilities = effective_capabilities();
    constexpr auto needed = (1ULL << CAP_SETUID) | (1ULL << CAP_SETGID) | (1ULL << CAP_SETFCAP);
    who.root = who.uid == 0 && (who.capabilities & needed) == needed;
    return who;
}

void write_id_maps(pid_t child, const caller& who)
{
    const auto base = "/proc/" + std::to_string(child) + "/";
    if (who.root) {
        write_file(base + "uid_map", identity_map(read_text("/proc/self/uid_map")));
        write_file(base + "gid_map", identity_map(read_text("/proc/self/gid_map")));
        return;
    }
    const auto line = [](unsigned id) { return std::to_string(id) + " " + std::to_string(id) + " 1\n"; };
    write_file(base + "setgroups", "deny"); // user_namespaces(7): before an unprivileged gid_map
    write_file(base + "uid_map", line(who.uid));
    write_file(base + "gid_map", line(who.gid));
}

} // namespace cofferdam::sandbox
