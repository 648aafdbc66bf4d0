#include "sandbox/gateway_process.hpp"

#include "sandbox/errors.hpp"
#include "sandbox/privileges.hpp"
#include "sandbox/unique_fd.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <grp.h>
#include <linux/capability.h>
#include <memory>
#include <pwd.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/// The effective ids are a user's, without capabilities, while it lives.
class acting_as {
public:
    explicit acting_as(const passwd& user) : group_(::getegid())
    {
        const int count = ::getgroups(0, nullptr);
        if (count < 0) throw_errno("getgroups");
        groups_.resize(static_cast<std::size_t>(count));
        if (::getgroups(count, groups_.data()) < 0) throw_errno("getgroups");
        if (::setgroups(1, &user.pw_gid) != 0) throw_errno("setgroups");
        if (::setegid(user.pw_gid) != 0 || ::seteuid(user.pw_uid) != 0) {
            const int failed = errno;
            end();
            throw_errno("acting as " + std::string(user.pw_name), failed);
        }
    }
    ~acting_as() { end(); }
    acting_as(const acting_as&) = delete;
    acting_as& operator=(const acting_as&) = delete;

private:
    void end() const noexcept
    {
        if (::seteuid(0) != 0 || ::setegid(group_) != 0 || ::setgroups(groups_.size(), groups_.data()) != 0) std::abort();
    }
    gid_t group_;
    std::vector<gid_t> groups_;
};

bool may(const std::filesystem::path& path, int how)
{
    return ::faccessat(AT_FDCWD, path.c_str(), how, AT_EACCESS) == 0;
}

/// What is not there is made in a folder that can be entered.
bool may_if_there(std::filesystem::path path, int how)
{
    if (may(path, how)) return true;
    while (errno == ENOENT && path.has_relative_path()) {
        path = path.parent_path();
        if (may(path, X_OK)) return true;
    }
    return false;
}

/// The first path that `user` can't use; empty: there is none.
std::string first_closed(const passwd& user, const gateway_paths& paths)
{
    const acting_as somebody(user);
    const auto absolute = [](const std::string& path) { return std::filesystem::absolute(path).lexically_normal(); };
    for (const auto& each : paths.read)
        if (!may(absolute(each), R_OK)) return each;
    for (const auto& each : paths.reach)
        if (!may_if_there(absolute(each).parent_path(), X_OK)) return each;
    for (const auto& each : paths.change)
        if (!may_if_there(absolute(each), W_OK | X_OK)) return each;
    return {};
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

gateway_identity gateway_user(const std::string& configured, const gateway_paths& paths)
{
    if (configured == "root") return {};
    if (!configured.empty()) return {configured, {}};
    constexpr auto needed = bit(CAP_SETUID) | bit(CAP_SETGID);
    if (::geteuid() != 0 || (effective_capabilities() & needed) != needed) return {};
    for (const auto* each : {"cofferdam", "nobody"}) {
        const auto* found = ::getpwnam(each);
        if (!found) continue;
        const auto closed = first_closed(*found, paths);
        if (closed.empty()) return {each, {}};
        return {{}, std::string(each) + " can't use " + closed};
    }
    return {{}, "there is no user cofferdam or nobody"};
}

void make_gateway_log(const std::string& path, const std::string& user)
{
    if (user.empty()) return;
    const auto& owner = find_user(user);
    const unique_fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600));
    if (file.get() < 0) throw_errno("audit log " + path);
    struct stat found {};
    if (::fstat(file.get(), &found) != 0) throw_errno("audit log " + path);
    if (!S_ISREG(found.st_mode) || found.st_uid != ::geteuid()) return;
    if (::fchown(file.get(), owner.pw_uid, owner.pw_gid) != 0) throw_errno("chown of " + path);
}

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
