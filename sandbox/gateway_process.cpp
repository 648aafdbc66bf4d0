#include "sandbox/gateway_process.hpp"

#include "sandbox/errors.hpp"
#include "sandbox/privileges.hpp"

#include <filesystem>
#include <grp.h>
#include <linux/capability.h>
#include <memory>
#include <pwd.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

constexpr std::uint64_t bit(unsigned capability)
{
    return 1ULL << capability;
}

const passwd& find_user(const std::string& name)
{
    const auto* found = ::getpwnam(name.c_str());
    if (!found) throw launch_error("there is no user " + name);
    return *found;
}

void become(const passwd& user)
{
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) throw_errno("PR_SET_KEEPCAPS");
    if (::setgroups(1, &user.pw_gid) != 0) throw_errno("setgroups");
    if (::setresgid(user.pw_gid, user.pw_gid, user.pw_gid) != 0) throw_errno("setresgid");
    if (::setresuid(user.pw_uid, user.pw_uid, user.pw_uid) != 0) throw_errno("setresuid");
    set_capabilities(bit(CAP_NET_ADMIN) | bit(CAP_SETPCAP));
}

void refuse_programs()
{
    const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ALLOW), &seccomp_release);
    if (!filter) throw launch_error("seccomp: out of memory");
    for (const int call : {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(setns), SCMP_SYS(unshare)}) {
        const int failed = seccomp_rule_add_array(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0, nullptr);
        if (failed < 0) throw_errno("seccomp: adding a rule", -failed);
    }
    const int failed = seccomp_load(filter.get());
    if (failed < 0) throw_errno("seccomp: loading the filter", -failed);
}

} // namespace

void make_gateway_folder(const std::string& folder, const std::string& user)
{
    std::error_code ec;
    if (!std::filesystem::create_directories(folder, ec) && !ec) return;
    if (ec) throw launch_error("making " + folder + ": " + ec.message());
    if (user.empty()) return;
    const auto& owner = find_user(user);
    if (::chown(folder.c_str(), owner.pw_uid, owner.pw_gid) != 0) throw_errno("chown of " + folder);
}

void drop_gateway_privileges(const std::string& user)
{
    const bool may_drop = (effective_capabilities() & bit(CAP_SETPCAP)) != 0;
    if (!user.empty()) become(find_user(user));
    if (may_drop) {
        keep_capabilities(bit(CAP_NET_ADMIN));
    }
    else {
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno("no_new_privs");
        set_capabilities(effective_capabilities() & bit(CAP_NET_ADMIN));
    }
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) throw_errno("PR_SET_DUMPABLE"); // a change of the user sets it anew
    refuse_programs();
    install_system_call_filter();
}

} // namespace cofferdam::sandbox
