#include "sandbox/gateway_process.hpp"
#include "sandbox/gateway_user.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace cofferdam::sandbox;

namespace {

/// Of a process that did nothing else.
template <class Function>
int exit_code_of(Function run)
{
    const pid_t child = ::fork();
    if (child == 0) ::_exit(run());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool is_refused(int family, int protocol = 0)
{
    errno = 0;
    return ::socket(family, SOCK_RAW, protocol) < 0 && errno == EAFNOSUPPORT;
}

TEST(gateway_process, has_the_sockets_that_it_needs_and_no_others)
{
    const int failed = exit_code_of([] {
        drop_gateway_privileges("");
        for (const int family : {AF_PACKET, AF_ALG, AF_VSOCK, AF_KEY, AF_BLUETOOTH, AF_XDP})
            if (!is_refused(family)) return family;
        for (const int family : {AF_INET, AF_INET6, AF_UNIX})
            if (::socket(family, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT) return 100 + family;
        return is_refused(AF_NETLINK) ? 100 : 0;
    });
    EXPECT_EQ(0, failed);
}

TEST(gateway_process, started_as_root_becomes_somebody_else)
{
    const auto other = find_default_user();
    if (::geteuid() != 0) {
        EXPECT_EQ("", other.name + other.why);
        return;
    }
    if (other.name.empty()) GTEST_SKIP() << other.why;
    EXPECT_EQ(::getpwnam("cofferdam") ? "cofferdam" : "nobody", other.name);
    const auto user = ::getpwnam(other.name.c_str())->pw_uid;
    EXPECT_EQ(0, exit_code_of([&] {
                  drop_gateway_privileges(other.name);
                  return ::getuid() == user && ::geteuid() == user ? 0 : 1;
              }));
}

TEST(gateway_process, sees_what_another_user_can_not_use)
{
    if (find_default_user().name.empty()) GTEST_SKIP() << "only root can";
    using std::filesystem::perms;
    const auto folder = std::filesystem::path(testing::TempDir()) / ("gateway-paths-" + std::to_string(::getpid()));
    const auto closed = folder / "closed", file = folder / "file", log = folder / "log";
    std::filesystem::create_directories(closed);
    std::filesystem::permissions(folder, perms{0755});
    std::ofstream(closed / "log") << "text";
    std::ofstream(file) << "text";
    std::filesystem::permissions(file, perms{0644});
    make_gateway_log(log, "nobody");
    make_gateway_folder(folder / "made", "nobody");
    const auto seen = [](const gateway_paths& paths) { return find_closed("nobody", paths); };
    EXPECT_EQ("", seen({{file}, {log}, {folder / "made"}}));
    EXPECT_EQ(file, seen({{}, {file}, {}}));
    EXPECT_EQ(folder, seen({{}, {}, {folder}})); // root's: not its to write in
    EXPECT_EQ(folder / "none", seen({{folder / "none"}, {}, {}}));
    std::filesystem::permissions(closed, perms::owner_all);
    EXPECT_EQ(closed / "log", seen({{closed / "log"}, {}, {}}));
    EXPECT_EQ(0U, ::geteuid());
    std::filesystem::permissions(folder / "made", perms::none);
    make_gateway_folder(folder / "made", "nobody");
    EXPECT_EQ("", seen({{}, {}, {folder / "made"}})); // what its last owner closed is open for the next
    std::filesystem::remove_all(folder);
}

TEST(gateway_process, gives_its_log_to_the_user)
{
    if (::geteuid() != 0) GTEST_SKIP() << "only root can";
    const auto path = testing::TempDir() + "gateway-log-" + std::to_string(::getpid());
    make_gateway_log(path, "nobody");
    make_gateway_log(path, "nobody");
    struct stat found {};
    ASSERT_EQ(0, ::stat(path.c_str(), &found));
    EXPECT_EQ(::getpwnam("nobody")->pw_uid, found.st_uid);
    EXPECT_EQ(0600, found.st_mode & 07777);
    ::unlink(path.c_str());
    make_gateway_log("/dev/null", "nobody");
    ASSERT_EQ(0, ::stat("/dev/null", &found));
    EXPECT_EQ(0, found.st_uid);
}

TEST(gateway_process, gives_nothing_else_away)
{
    if (::geteuid() != 0) GTEST_SKIP() << "only root can";
    const auto folder = std::filesystem::path(testing::TempDir()) / ("gateway-links-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "secret") << "text";
    const auto owner = [&] {
        struct stat found {};
        EXPECT_EQ(0, ::stat((folder / "secret").c_str(), &found));
        return found.st_uid;
    };
    std::filesystem::create_symlink("secret", folder / "link");
    make_gateway_log(folder / "link", "nobody");
    EXPECT_EQ(0U, owner());
    std::filesystem::create_hard_link(folder / "secret", folder / "name");
    make_gateway_log(folder / "name", "nobody");
    EXPECT_EQ(0U, owner());
    ASSERT_EQ(0, ::chown((folder / "secret").c_str(), 12345, 12345));
    std::filesystem::remove(folder / "name");
    make_gateway_log(folder / "secret", "nobody");
    EXPECT_EQ(12345U, owner());
    make_gateway_folder(folder, "nobody");
    std::filesystem::create_directory_symlink(folder, folder / "here");
    make_gateway_folder(folder / "here", "nobody");
    struct stat found {};
    ASSERT_EQ(0, ::stat(folder.c_str(), &found));
    EXPECT_EQ(0U, found.st_uid);
    std::filesystem::remove_all(folder);
}

TEST(gateway_process, takes_back_what_was_given)
{
    if (::geteuid() != 0) GTEST_SKIP() << "only root can";
    const auto folder = std::filesystem::path(testing::TempDir()) / ("gateway-given-" + std::to_string(::getpid()));
    const auto owner = [](const std::filesystem::path& path) {
        struct stat found {};
        EXPECT_EQ(0, ::stat(path.c_str(), &found)) << path;
        return found.st_uid;
    };
    for (const auto* user : {"nobody", ""}) {
        make_gateway_folder(folder / "made", user);
        make_gateway_log(folder / "made/log", user);
        const auto expected = *user ? ::getpwnam(user)->pw_uid : 0U;
        EXPECT_EQ(expected, owner(folder / "made"));
        EXPECT_EQ(expected, owner(folder / "made/log"));
    }
    std::filesystem::remove_all(folder);
}

} // namespace
