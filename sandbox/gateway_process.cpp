#include "sandbox/gateway_process.hpp"

#include "sandbox/errors.hpp"
#include "sandbox/privileges.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <memory>
#include <pwd.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

#if defined(__SANITIZE_ADDRESS__)
bool filtered = false;
#endif

void refuse_programs()
{
    const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ALLOW), &seccomp_release);
    if (!filter) throw launch_error("seccomp: out of memory");
    for (const int call : {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(setns), SCMP_SYS(unshare)}) {
        const int failed = seccomp_rule_add_array(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0, nullptr);
        if (failed < 0) throw_errno("seccomp: adding a rule", -failed);
    }
    // Sockets of the kernel's cryptography: jobs may have them, the gateway has no use for them.
    const scmp_arg_cmp family{0, SCMP_CMP_MASKED_EQ, 0xffffffffU, AF_ALG};
    const int refused = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, family);
    if (refused < 0) throw_errno("seccomp: adding a rule", -refused);
    const int failed = seccomp_load(filter.get());
    if (failed < 0) throw_errno("seccomp: loading the filter", -failed);
}

} // namespace

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
#if defined(__SANITIZE_ADDRESS__)
    filtered = true;
#endif
}

} // namespace cofferdam::sandbox

#if defined(__SANITIZE_ADDRESS__)
/// The sanitizer asks this before it looks for leaks: it would do so from a process that traces this one, which the filter
/// refuses, and fail for that.
extern "C" __attribute__((visibility("default"))) int __lsan_is_turned_off()
{
    return cofferdam::sandbox::filtered ? 1 : 0;
}
#endif
