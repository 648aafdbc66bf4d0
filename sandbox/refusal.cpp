#include "sandbox/refusal.hpp"

#include "sandbox/mounts.hpp"

#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

bool is_set(const std::string& root, const char* name, char first)
{
    const auto text = read_text(root + "/" + name);
    return text.size() <= 2 && !text.empty() && text[0] == first;
}

std::string setting(const std::string& root)
{
    if (is_set(root, "user/max_user_namespaces", '0')) {
        return "user.max_user_namespaces is 0: as root, sysctl -w user.max_user_namespaces=15000";
    }
    if (::geteuid() != 0 && is_set(root, "kernel/unprivileged_userns_clone", '0')) {
        return "kernel.unprivileged_userns_clone is 0: as root, sysctl -w kernel.unprivileged_userns_clone=1";
    }
    if (::geteuid() != 0 && is_set(root, "kernel/apparmor_restrict_unprivileged_userns", '1')) {
        return "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1, Ubuntu 24.04): as "
               "root, sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or load an AppArmor profile with 'userns,' "
               "for this program";
    }
    return {};
}

std::string other_reason(int error)
{
    if (error == ENOSPC) return "too many user namespaces: raise user.max_user_namespaces, or leave the nested ones";
    if (error == EINVAL) return "this kernel was built without one of the USER, NET, PID, IPC namespaces";
    if (error == EUSERS) return "user namespaces are nested too deeply";
    if (error != EPERM && error != EACCES) return {};
    const auto status = read_text("/proc/self/status");
    if (status.find("\nSeccomp:\t2") != std::string::npos) {
        return "a seccomp filter is in force here, as in a container: start the container with --security-opt "
               "seccomp=unconfined --security-opt systempaths=unconfined (and apparmor=unconfined where AppArmor is used)";
    }
    return "user namespaces are refused in a chroot, and by some security modules (SELinux: setsebool, the user_namespace "
           "class)";
}

} // namespace

std::string explain_restriction(std::string_view what, int error, const std::string& sysctl_root)
{
    const auto text = std::string(what) + ": " + std::strerror(error);
    const auto why = setting(sysctl_root);
    return why.empty() ? text : text + " (" + why + ")";
}

std::string explain_refusal(std::string_view what, int error, const std::string& sysctl_root)
{
    const auto text = explain_restriction(what, error, sysctl_root);
    const auto why = setting(sysctl_root).empty() ? other_reason(error) : std::string{};
    return why.empty() ? text : text + " (" + why + ")";
}

} // namespace cofferdam::sandbox
