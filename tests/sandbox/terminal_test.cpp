#include "stage.hpp"

#include <chrono>
#include <csignal>
#include <gmock/gmock.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

using testing::HasSubstr;

/// A gateway on a terminal of its own, and what a person would see and type there.
class terminal_test : public as_each_user {
protected:
    void start(const std::string& script)
    {
        gateway = ::forkpty(&keyboard, nullptr, nullptr, nullptr);
        if (gateway != 0) return;
        if (uid() != ::getuid() && (::setresgid(uid(), uid(), uid()) != 0 || ::setresuid(uid(), uid(), uid()) != 0)) ::_exit(90);
        int code = 91;
        try {
            harden_gateway_process();
            options wanted;
            wanted.command = {"/bin/sh", "-c", script};
            auto made = job::launch(std::move(wanted));
            made.start();
            code = made.wait().shell_code();
        }
        catch (const std::exception& failure) {
            ::dprintf(1, "%s\n", failure.what());
        }
        ::_exit(code);
    }

    /// Waits until the screen shows `text`.
    bool see(const std::string& text)
    {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (screen.find(text) == std::string::npos && std::chrono::steady_clock::now() < end) {
            pollfd ready{keyboard, POLLIN, 0};
            std::array<char, 1024> part{};
            if (::poll(&ready, 1, 100) <= 0) continue;
            const auto got = ::read(keyboard, part.data(), part.size());
            if (got <= 0) break;
            screen.append(part.data(), static_cast<std::size_t>(got));
        }
        return screen.find(text) != std::string::npos;
    }

    void type(const std::string& keys) const
    {
        ASSERT_EQ(::write(keyboard, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
    }

    /// The gateway's next status as waitpid(2) gives it. One that takes too long is killed, and that is its status.
    int next_change(int options) const
    {
        int status = 0;
        for (int i = 0; i < 1000; ++i) {
            if (::waitpid(gateway, &status, options | WNOHANG) == gateway) return status;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        ::kill(gateway, SIGKILL);
        ::waitpid(gateway, &status, 0);
        return status;
    }

    int finish() const
    {
        const int status = next_change(0);
        ::close(keyboard);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }

    pid_t gateway = -1;
    int keyboard = -1;
    std::string screen;
};
COFFERDAM_FOR_EACH_USER(terminal_test);

TEST_P(terminal_test, the_job_reads_the_keyboard)
{
    start("test -t 0 && echo on a terminal; tty; read line; echo got $line");
    ASSERT_TRUE(see("on a terminal")) << screen;
    type("hello\n");
    EXPECT_TRUE(see("got hello")) << screen;
    EXPECT_EQ(finish(), 0);
}

TEST_P(terminal_test, ctrl_c_reaches_the_job_and_not_the_gateway)
{
    start("trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done");
    ASSERT_TRUE(see("ready")) << screen;
    type("\x03");
    EXPECT_TRUE(see("caught")) << screen;
    EXPECT_EQ(finish(), 9);
}

TEST_P(terminal_test, ctrl_z_stops_the_gateway_until_it_is_continued)
{
    // No child is made after "ready": one that is stopped between vfork and exec leaves its shell waiting uninterruptibly, as on
    // any terminal.
    start("echo ready; read line; echo got $line; exit 5");
    ASSERT_TRUE(see("ready")) << screen;
    type("\x1a");
    const int status = next_change(WUNTRACED);
    ASSERT_TRUE(WIFSTOPPED(status)) << status << screen;
    ::kill(gateway, SIGCONT);
    type("again\n");
    EXPECT_TRUE(see("got again")) << screen;
    EXPECT_EQ(finish(), 5);
}

TEST_P(terminal_test, the_terminal_cannot_be_made_to_kill_the_gateway)
{
    start(probe() + " setsig; " + probe() + " type 0; " + probe() + " signal-group 9");
    EXPECT_TRUE(see("refused EPERM\r\nrefused EPERM")) << screen;
    EXPECT_EQ(finish(), 128 + SIGKILL);
}

} // namespace
} // namespace cofferdam::sandbox
