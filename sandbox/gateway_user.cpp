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
        if (::setgroups(1, &user.group) != 0) throw_errno("setgroups");
        if (::setegid(user.group) == 0 && ::seteuid(user.user) == 0) return;
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

bool may(const std::filesystem::path& path, int how)
{
    return ::faccessat(AT_FDCWD, path.c_str(), how, AT_EACCESS) == 0;
}

/// Now, or once it was made or given away.
bool may_use(std::filesystem::path path, int how)
{
    struct stat found {};
    if (::lstat(path.c_str(), &found) == 0) {
        const bool file = S_ISREG(found.st_mode) || S_ISSOCK(found.st_mode);
        const bool given = is_of_gateways(found.st_uid) || (found.st_uid == 0 && file);
        return given ? may(path.parent_path(), X_OK) : may(path, how);
    }
    while (errno == ENOENT && path.has_relative_path()) {
        path = path.parent_path();
        if (may(path, X_OK)) return true;
    }
    return false;
}

/// The first path that `user` can't use; empty: there is none.
std::string first_closed(const ownership& user, const gateway_paths& paths)
{
    const acting_as somebody(user);
    const auto absolute = [](const std::string& path) { return std::filesystem::absolute(path).lexically_normal(); };
    for (const auto& each : paths.read)
        if (!may(absolute(each), R_OK)) return each;
    for (const auto& each : paths.write)
        if (!may_use(absolute(each), W_OK)) return each;
    for (const auto& each : paths.change)
        if (!may_use(absolute(each), W_OK | X_OK)) return each;
    return {};
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

void give(int file, const ownership& owner, const std::string& path)
{
    if (::fchown(file, owner.user, owner.group) != 0) throw_errno("chown of " + path);
}

} // namespace

gateway_identity gateway_user(const std::string& configured, const gateway_paths& paths)
{
    if (configured == "root") return {};
    if (!configured.empty()) return {configured, {}};
    constexpr auto needed = bit(CAP_SETUID) | bit(CAP_SETGID) | bit(CAP_SETPCAP) | bit(CAP_CHOWN);
    if (::geteuid() != 0) return {};
    if ((effective_capabilities() & needed) != needed) return {{}, "it may not become another user"};
    for (const auto* each : default_users) {
        const auto found = find_user(each);
        if (!found) continue;
        try {
            const auto closed = first_closed(*found, paths);
            if (closed.empty()) return {each, {}};
            return {{}, std::string(each) + " can't use " + closed};
        }
        catch (const launch_error& e) {
            return {{}, e.what()};
        }
    }
    return {{}, "there is no user cofferdam or nobody"};
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
    std::error_code ec;
    const bool made = std::filesystem::create_directories(folder, ec);
    if (ec) throw launch_error("making " + folder + ": " + ec.message());
    const auto owner = ownership_of(user);
    if (!owner) return;
    const unique_fd file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat found {};
    if (file.get() < 0 || ::fstat(file.get(), &found) != 0) return; // a link is not what a gateway made
    if ((made || is_of_gateways(found.st_uid)) && found.st_uid != owner->user) give(file.get(), *owner, folder);
}

} // namespace cofferdam::sandbox
