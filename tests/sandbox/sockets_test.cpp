#include "sandbox/sockets.hpp"
#include "stage.hpp"

#include <csignal>
#include <cstring>
#include <filesystem>
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

/// A daemon outside, as far as a client can tell before it speaks.
unique_fd listen_at(const std::string& path)
{
    unique_fd made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    if (::bind(made.get(), generic, sizeof address) != 0 || ::listen(made.get(), 8) != 0)
        throw std::runtime_error("bind " + path);
    if (::chmod(path.c_str(), 0777) != 0) throw std::runtime_error("chmod");
    return made;
}

class sockets_test : public as_each_user {
protected:
    std::string made(const std::string& name) const
    {
        std::filesystem::create_directories(directory + "/" + name);
        std::filesystem::permissions(directory + "/" + name, std::filesystem::perms{0777});
        return directory + "/" + name;
    }
};
COFFERDAM_FOR_EACH_USER(sockets_test);

TEST_P(sockets_test, hides_a_socket_among_other_files)
{
    const auto path = made("mixed") + "/docker.sock";
    write_to(directory + "/mixed/data", "data\n", uid());
    const auto daemon = listen_at(path);
    EXPECT_EQ(attempt("connect-unix " + path), "refused ECONNREFUSED");
    EXPECT_EQ(shell("cat " + directory + "/mixed/data").output, "data\n");
    EXPECT_THAT(shell("true").notes, Contains("hidden socket: " + path));
}

TEST_P(sockets_test, hides_a_socket_while_directories_beside_it_come_and_go)
{
    const auto path = made("mixed") + "/docker.sock";
    write_to(directory + "/mixed/data", "", uid());
    const auto daemon = listen_at(path);
    const pid_t others = ::fork(); // no thread: jobs are forked from this process
    ASSERT_GE(others, 0);
    if (others == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        std::error_code ignored;
        for (;;) {
            for (const auto* busy : {"/a", "/n", "/z"}) std::filesystem::create_directories(directory + busy + "/b/c", ignored);
            for (const auto* busy : {"/a", "/n", "/z"}) std::filesystem::remove_all(directory + busy, ignored);
        }
    }
    for (int i = 0; i < 5; ++i) EXPECT_EQ(attempt("connect-unix " + path), "refused ECONNREFUSED");
    ASSERT_EQ(::kill(others, SIGKILL), 0);
    ASSERT_EQ(::waitpid(others, nullptr, 0), others);
}

TEST_P(sockets_test, hides_a_directory_of_sockets_with_what_comes_later)
{
    const auto where = made("service");
    const auto daemon = listen_at(where + "/api.sock");
    unique_fd late;
    options wanted;
    wanted.command = {"/bin/sh", "-c",
                      "ls -A " + where + "; " + probe() + " connect-unix " + where + "/late.sock; touch " + where +
                          "/own && echo own"};
    // The second daemon appears after the mounts are made. Its gateway process is a fork: the socket is bound there.
    const auto result = run_as(uid(), wanted, [&](job&) { late = listen_at(where + "/late.sock"); });
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.output, "refused ENOENT\nown\n");
    EXPECT_FALSE(std::filesystem::exists(where + "/own"));
    EXPECT_THAT(result.notes, Contains("hidden directory: " + where));
}

TEST_P(sockets_test, leaves_open_what_is_allowed_and_says_so)
{
    const auto where = made("service");
    const auto daemon = listen_at(where + "/api.sock");
    const auto other = listen_at(where + "/other.sock");
    options wanted;
    wanted.allowed_sockets = {where + "/api.sock"};
    EXPECT_EQ(attempt("connect-unix " + where + "/api.sock", wanted), "done");
    EXPECT_THAT(attempt("connect-unix " + where + "/other.sock", wanted), AnyOf("refused ENOENT", "refused ECONNREFUSED"));
    EXPECT_THAT(shell("true", wanted).notes,
                Contains(HasSubstr("left open, a process outside acts for the job there: " + where + "/api.sock")));
}

TEST_P(sockets_test, allowing_what_is_no_socket_is_an_error)
{
    options wanted;
    wanted.allowed_sockets = {directory + "/probe"};
    EXPECT_THAT(shell("true", wanted).error, HasSubstr("no such socket"));
}

TEST_P(sockets_test, follows_links_to_sockets)
{
    const auto path = made("mixed") + "/docker.sock";
    write_to(directory + "/mixed/data", "", uid());
    const auto daemon = listen_at(path);
    std::filesystem::create_symlink(path, directory + "/alias.sock");
    EXPECT_EQ(attempt("connect-unix " + directory + "/alias.sock"), "refused ECONNREFUSED");
}

TEST_P(sockets_test, removes_variables_that_lead_to_hidden_sockets)
{
    const auto path = made("agent") + "/agent.1";
    const auto daemon = listen_at(path);
    ASSERT_EQ(::setenv("SSH_AUTH_SOCK", path.c_str(), 1), 0);
    ASSERT_EQ(::setenv("DOCKER_HOST", ("unix://" + path).c_str(), 1), 0);
    const auto hidden = shell("echo [$SSH_AUTH_SOCK$DOCKER_HOST]");
    options wanted;
    wanted.allowed_sockets = {path};
    const auto open = shell("echo [$SSH_AUTH_SOCK]", wanted);
    ::unsetenv("SSH_AUTH_SOCK");
    ::unsetenv("DOCKER_HOST");
    EXPECT_EQ(hidden.output, "[]\n");
    EXPECT_EQ(open.output, "[" + path + "]\n");
}

TEST_P(sockets_test, abstract_sockets_of_outside_are_not_there)
{
    const unique_fd daemon(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto name = "cofferdam-" + std::to_string(::getpid());
    std::strncpy(address.sun_path + 1, name.c_str(), sizeof address.sun_path - 2);
    const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    ASSERT_EQ(::bind(daemon.get(), generic, sizeof address), 0);
    ASSERT_EQ(::listen(daemon.get(), 8), 0);
    EXPECT_EQ(std::system((probe() + " connect-unix @" + name + " | grep -q done").c_str()), 0);
    EXPECT_EQ(attempt("connect-unix @" + name), "refused ECONNREFUSED");
}

TEST_P(sockets_test, the_run_time_directory_is_fresh_and_usable)
{
    const auto where = made("run-user");
    const auto daemon = listen_at(where + "/bus");
    write_to(where + "/note", "private\n", uid());
    ASSERT_EQ(::setenv("XDG_RUNTIME_DIR", where.c_str(), 1), 0);
    const auto result = shell("ls -A $XDG_RUNTIME_DIR; echo x > $XDG_RUNTIME_DIR/made && cat $XDG_RUNTIME_DIR/made");
    ::unsetenv("XDG_RUNTIME_DIR");
    EXPECT_EQ(result.output, "x\n");
    EXPECT_FALSE(std::filesystem::exists(where + "/made"));
}

TEST_P(sockets_test, the_jobs_own_sockets_work)
{
    EXPECT_EQ(shell("cd " + directory +
                    " && python3 -c 'import socket; s=socket.socket(socket.AF_UNIX); s.bind(\"own.sock\"); s.listen(); "
                    "c=socket.socket(socket.AF_UNIX); c.connect(\"own.sock\"); print(\"connected\")'")
                  .output,
              "connected\n");
}

TEST_P(sockets_test, without_a_job_the_daemon_answers)
{
    const auto path = made("mixed") + "/docker.sock";
    const auto daemon = listen_at(path);
    EXPECT_EQ(std::system((probe() + " connect-unix " + path + " | grep -q done").c_str()), 0);
}

} // namespace
} // namespace cofferdam::sandbox
