#include "stage.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <gmock/gmock.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class job_test : public as_each_user {};
COFFERDAM_FOR_EACH_USER(job_test);

options with_command(std::vector<std::string> command)
{
    options wanted;
    wanted.command = std::move(command);
    return wanted;
}

std::vector<int> raise_loopback()
{
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP;
    if (::ioctl(fd, SIOCSIFFLAGS, &request) != 0) throw std::runtime_error("lo stays down");
    return {fd};
}

TEST_P(job_test, passes_the_exit_code)
{
    EXPECT_EQ(shell("exit 7").status.shell_code(), 7);
    EXPECT_EQ(shell("true").status.shell_code(), 0);
}

TEST_P(job_test, reports_the_signal_that_killed_the_command)
{
    const auto result = shell("kill -TERM $$");
    EXPECT_EQ(result.status.signal, SIGTERM);
    EXPECT_EQ(result.status.shell_code(), 128 + SIGTERM);
}

TEST_P(job_test, says_why_a_command_cannot_run)
{
    const auto missing = run_as(uid(), with_command({"no-such-command-anywhere"}));
    EXPECT_EQ(missing.status.shell_code(), 127);
    EXPECT_EQ(missing.status.error, "no-such-command-anywhere: command not found");
    write_to(directory + "/text", "hello", uid());
    const auto text = run_as(uid(), with_command({directory + "/text"}));
    EXPECT_EQ(text.status.shell_code(), 126);
    EXPECT_THAT(text.status.error, HasSubstr("Permission denied"));
}

TEST_P(job_test, looks_like_the_caller)
{
    const auto result = shell("id -u; id -g; touch " + directory + "/made; stat -c %u:%g " + directory + "/made");
    const auto id = std::to_string(uid());
    EXPECT_EQ(result.output, id + "\n" + id + "\n" + id + ":" + id + "\n");
    struct stat made {};
    ASSERT_EQ(::stat((directory + "/made").c_str(), &made), 0);
    EXPECT_EQ(made.st_uid, uid());
    EXPECT_EQ(made.st_gid, uid());
}

TEST_P(job_test, root_keeps_its_power_over_users_and_files)
{
    const auto result = shell("touch " + directory + "/f && chown 77:78 " + directory + "/f && stat -c %u:%g " + directory +
                              "/f; setpriv --reuid 77 --regid 78 --clear-groups id -u");
    if (uid() == 0)
        EXPECT_EQ(result.output, "77:78\n77\n");
    else
        EXPECT_EQ(result.output.find("77:78"), std::string::npos);
}

TEST_P(job_test, keeps_the_working_directory_and_the_environment)
{
    ASSERT_EQ(::setenv("COFFERDAM_KEPT", "kept", 1), 0);
    ASSERT_EQ(::setenv("COFFERDAM_GONE", "gone", 1), 0);
    options wanted;
    wanted.environment = {{"COFFERDAM_NEW", "new"}};
    wanted.unset = {"COFFERDAM_GONE"};
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(directory);
    const auto result = shell("pwd; echo $COFFERDAM_KEPT $COFFERDAM_GONE $COFFERDAM_NEW", wanted);
    std::filesystem::current_path(before);
    EXPECT_EQ(result.output, directory + "\nkept new\n");
}

TEST_P(job_test, shows_files_that_the_job_cannot_change)
{
    options wanted;
    wanted.files = {{"/etc/passwd", "shown\n"}, {"/dev/cofferdam/deep/ca.pem", "ca\n"}, {"/no/such/place", "never\n"}};
    const auto result =
        shell("cat /etc/passwd /dev/cofferdam/deep/ca.pem; cat /no/such/place; " + probe() + " write /etc/passwd; " + probe() +
                  " unlink /dev/cofferdam/deep/ca.pem; " + probe() + " unlink /etc/passwd",
              wanted);
    EXPECT_THAT(result.output, HasSubstr("shown\nca\n"));
    EXPECT_THAT(result.output, Not(HasSubstr("never")));
    EXPECT_THAT(result.output, HasSubstr("refused EROFS\nrefused EROFS\nrefused E"));
    EXPECT_THAT(result.notes, testing::Contains("not shown, no such file here: /no/such/place"));
    EXPECT_THAT(contents_of("/etc/passwd"), Not(HasSubstr("shown")));
}

TEST_P(job_test, shows_files_through_links)
{
    write_to(directory + "/target", "old\n", uid());
    std::filesystem::create_symlink("target", directory + "/link");
    options wanted;
    wanted.files = {{directory + "/link", "new\n"}};
    EXPECT_EQ(shell("cat " + directory + "/link " + directory + "/target", wanted).output, "new\nnew\n");
    EXPECT_EQ(contents_of(directory + "/target"), "old\n");
}

TEST_P(job_test, shows_more_files_and_variables_before_the_start)
{
    const auto wanted = with_command({"/bin/sh", "-c", "wc -c < /dev/cofferdam/late; echo $LATE"});
    const std::string large(3'000'000, 'x');
    const auto result = run_as(uid(), wanted, [&](job& made) { made.show({{"/dev/cofferdam/late", large}}); });
    EXPECT_EQ(result.output, "3000000\n\n");
}

TEST_P(job_test, hands_out_the_descriptors_of_the_network)
{
    auto wanted = with_command({"/bin/sh", "-c", "true"});
    wanted.setup_network = raise_loopback;
    const auto result = run_as(uid(), wanted, [](job& made) {
        auto sockets = made.take_descriptors();
        if (sockets.size() != 1) throw std::runtime_error("expected one descriptor");
        ifreq request{};
        request.ifr_name[0] = 'l';
        request.ifr_name[1] = 'o';
        if (::ioctl(sockets[0].get(), SIOCGIFFLAGS, &request) != 0) throw std::runtime_error("not a socket of the job");
        // Only the job's loopback was raised by it; the socket answers for that namespace.
        if ((request.ifr_flags & IFF_UP) == 0) throw std::runtime_error("lo is down");
    });
    EXPECT_EQ(result.error, "");
}

TEST_P(job_test, tells_what_went_wrong_in_the_network)
{
    auto wanted = with_command({"true"});
    wanted.setup_network = []() -> std::vector<int> { throw std::runtime_error("no ruleset for you"); };
    EXPECT_EQ(run_as(uid(), wanted).error, "no ruleset for you");
}

TEST_P(job_test, ends_what_the_command_left_running)
{
    const auto result = shell("(sleep 300 & echo $! ); (trap '' TERM HUP; sleep 300) & exit 3");
    EXPECT_EQ(result.status.shell_code(), 3); // run_as reads the output to its end: nobody holds it open any more
}

TEST_P(job_test, forwards_signals)
{
    const auto wanted = with_command({"/bin/sh", "-c", "trap 'exit 42' USR1; kill -USR1 $$; sleep 5"});
    EXPECT_EQ(run_as(uid(), wanted).status.code, 42);
    const auto ready = directory + "/ready";
    const auto waiting =
        with_command({"/bin/sh", "-c", "trap 'exit 43' TERM; touch " + ready + "; while :; do sleep 0.01; done"});
    const auto result = run_as(uid(), waiting, [&](job& made) {
        std::thread([&made, ready] {
            while (!std::filesystem::exists(ready)) std::this_thread::sleep_for(std::chrono::milliseconds(10));
            made.signal(SIGTERM);
        }).detach();
    });
    EXPECT_EQ(result.status.code, 43);
}

TEST_P(job_test, dies_with_its_gateway)
{
    const auto beat = directory + "/beat";
    std::array<int, 2> alive{};
    ASSERT_EQ(::pipe(alive.data()), 0);
    const auto gateway = ::fork();
    if (gateway == 0) {
        ::close(alive[0]);
        ::dup2(alive[1], 2);
        ::close(alive[1]);
        if (uid() != ::getuid() && (::setresgid(uid(), uid(), uid()) != 0 || ::setresuid(uid(), uid(), uid()) != 0)) ::_exit(1);
        harden_gateway_process();
        const int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, 0);
        ::dup2(null, 1);
        const auto script = "trap '' TERM HUP INT; touch " + beat + "; sleep 300 & sleep 300; sleep 300";
        auto made = job::launch(with_command({"/bin/sh", "-c", script}));
        made.start();
        made.wait();
        ::_exit(0);
    }
    ::close(alive[1]);
    for (int i = 0; i < 500 && !std::filesystem::exists(beat); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_TRUE(std::filesystem::exists(beat));
    ::kill(gateway, SIGKILL);
    ::waitpid(gateway, nullptr, 0);
    // Every process of the job holds the pipe; its end comes when the last is dead.
    const auto began = std::chrono::steady_clock::now();
    char byte = 0;
    EXPECT_EQ(::read(alive[0], &byte, 1), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
    ::close(alive[0]);
}

TEST_P(job_test, dies_with_its_object)
{
    const auto gateway = ::fork();
    if (gateway == 0) {
        if (uid() != ::getuid() && (::setresgid(uid(), uid(), uid()) != 0 || ::setresuid(uid(), uid(), uid()) != 0)) ::_exit(1);
        pid_t init = 0;
        {
            auto made = job::launch(with_command({"sleep", "300"}));
            made.start();
            init = made.init_pid();
        }
        ::_exit(::kill(init, 0) != 0 && errno == ESRCH ? 0 : 1);
    }
    int status = 0;
    ::waitpid(gateway, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST_P(job_test, refuses_to_launch_beside_other_threads)
{
    const auto gateway = ::fork();
    if (gateway == 0) {
        std::thread([] { std::this_thread::sleep_for(std::chrono::seconds(5)); }).detach();
        try {
            job::launch(with_command({"true"}));
        }
        catch (const launch_error&) {
            ::_exit(0);
        }
        ::_exit(1);
    }
    int status = 0;
    ::waitpid(gateway, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST_P(job_test, refuses_a_network_socket_as_standard_input)
{
    const auto gateway = ::fork();
    if (gateway == 0) {
        ::dup2(::socket(AF_INET, SOCK_STREAM, 0), 0);
        try {
            job::launch(with_command({"true"}));
        }
        catch (const launch_error& failure) {
            ::_exit(std::string(failure.what()).find("standard input is a network socket") == 0 ? 0 : 2);
        }
        ::_exit(1);
    }
    int status = 0;
    ::waitpid(gateway, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST_P(job_test, refuses_a_directory_and_a_loose_unix_socket_as_standard_output)
{
    for (const bool directory_instead : {true, false}) {
        const auto gateway = ::fork();
        if (gateway == 0) {
            ::dup2(directory_instead ? ::open("/", O_RDONLY) : ::socket(AF_UNIX, SOCK_STREAM, 0), 1);
            try {
                job::launch(with_command({"true"}));
            }
            catch (const launch_error&) {
                ::_exit(0);
            }
            ::_exit(1);
        }
        int status = 0;
        ::waitpid(gateway, &status, 0);
        EXPECT_EQ(status, 0);
    }
}

} // namespace
} // namespace cofferdam::sandbox
