#include "sandbox/gateway_user.hpp"

#include "sandbox/errors.hpp"
#include "sandbox/privileges.hpp"
#include "sandbox/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <grp.h>
#include <linux/capability.h>
#include <optional>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

constexpr std::array default_users{"cofferdam", "nobody"};

constexpr std::uint64_t bit(unsigned capability)
{
    return 1ULL << capability;
}

struct ownership {
    uid_t user;
    gid_t group;
};

std::optional<ownership> find_user(const std::string& name)
{
    const auto* found = ::getpwnam(name.c_str());
    return found ? std::optional(ownership{found->pw_uid, found->pw_gid}) : std::nullopt;
}

/// Whether a gateway that was started as root may have been this user.
bool is_of_gateways(uid_t owner)
{
    return std::any_of(default_users.begin(), default_users.end(), [owner](const char* name) {
        const auto found = find_user(name);
        return found && found->user == owner;
    });
}

/// The effective ids are a user's, without capabilities, while it lives.
class acting_as {
public:
    explicit acting_as(const ownership& user) : group_(::getegid())
    {
        const int count = ::getgroups(0, nullptr);
        if (count < 0) throw_errno("getgroups");
        groups_.resize(static_cast<std::size_t>(count));
        if (::getgroups(count, groups_.data()) < 0) throw_errno("getgroups");
        // What can't be set now could not be set back.
        if (::setegid(group_) != 0 || ::setgroups(groups_.size(), groups_.data()) != 0) throw_errno("setgroups");
        if (::setgroups(1, &user.group) == 0 && ::setegid(user.group) == 0 && ::seteuid(user.user) == 0) return;
        const int failed = errno;
        end();
        throw_errno("becoming user " + std::to_string(user.user), failed);
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

bool may(const std::string& path, int how)
{
    return ::faccessat(AT_FDCWD, path.c_str(), how, AT_EACCESS) == 0;
}

/// Whose things are to be; nobody: they can't be given away.
std::optional<ownership> ownership_of(const std::string& user)
{
    if (::geteuid() != 0) return std::nullopt;
    if (user.empty()) return ownership{0, ::getegid()};
    const auto found = find_user(user);
    if (!found) throw launch_error("there is no user " + user);
    return found;
}

/// To root only where the file system has it: there, whoever opens it next will tell.
void give(int file, const ownership& owner, const std::string& path)
{
    if (::fchown(file, owner.user, owner.group) != 0 && owner.user != 0) throw_errno("chown of " + path);
}

} // namespace

default_user find_default_user()
{
    constexpr auto needed = bit(CAP_SETUID) | bit(CAP_SETGID) | bit(CAP_SETPCAP) | bit(CAP_CHOWN);
    if (::geteuid() != 0) return {};
    if ((effective_capabilities() & needed) != needed)
        return {{}, "to become another user takes CAP_SETUID, CAP_SETGID, CAP_SETPCAP and CAP_CHOWN"};
    for (const auto* each : default_users)
        if (find_user(each)) return {each, {}};
    return {{}, "there is no user cofferdam or nobody"};
}

std::string find_closed(const std::string& user, const gateway_paths& paths)
{
    const auto found = find_user(user);
    if (!found) throw launch_error("there is no user " + user);
    const acting_as somebody(*found);
    for (const auto& each : paths.read)
        if (!may(each, R_OK)) return each;
    for (const auto& each : paths.write)
        if (!may(each, W_OK)) return each;
    for (const auto& each : paths.change)
        if (!may(each, W_OK | X_OK)) return each;
    return {};
}

void make_gateway_log(const std::string& path, const std::string& user)
{
    const auto owner = ownership_of(user);
    struct stat found {};
    if (!owner || (::lstat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode))) return;
    const unique_fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600));
    if (file.get() < 0 || ::fstat(file.get(), &found) != 0) throw_errno("audit log " + path);
    const bool made_by_one = found.st_uid == 0 || is_of_gateways(found.st_uid);
    if (S_ISREG(found.st_mode) && found.st_nlink == 1 && made_by_one && found.st_uid != owner->user)
        give(file.get(), *owner, path);
}

void make_gateway_folder(const std::string& folder, const std::string& user)
{
    const mode_t before = ::umask(022); // what is made on the way is for others to enter
    std::error_code ec;
    const bool made = std::filesystem::create_directories(folder, ec);
    ::umask(before);
    if (ec) throw launch_error("making " + folder + ": " + ec.message());
    const auto owner = ownership_of(user);
    if (!owner) return;
    const unique_fd file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat found {};
    if (file.get() < 0 || ::fstat(file.get(), &found) != 0) return; // a link is not what a gateway made
    if ((made || is_of_gateways(found.st_uid)) && found.st_uid != owner->user) give(file.get(), *owner, folder);
    if (is_of_gateways(found.st_uid)) ::fchmod(file.get(), found.st_mode | S_IRWXU); // or its last owner could keep the next out
}

} // namespace cofferdam::sandbox
