#include "config/surroundings.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cofferdam::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds exit_poll{5}; ///< how often a client that closed its outputs is asked whether it ended

/// A pipe whose ends close with it.
struct pipe_pair {
    std::array<int, 2> end{-1, -1};
    pipe_pair()
    {
        if (::pipe2(end.data(), O_CLOEXEC) != 0) end = {-1, -1};
    }
    ~pipe_pair()
    {
        close_end(0);
        close_end(1);
    }
    pipe_pair(const pipe_pair&) = delete;
    pipe_pair& operator=(const pipe_pair&) = delete;
    void close_end(std::size_t which)
    {
        if (end[which] >= 0) ::close(end[which]);
        end[which] = -1;
    }
};

/// What posix_spawn is told: outputs into the pipes, no input, the root folder, a process group of its own.
class spawn_plan {
public:
    spawn_plan(const pipe_pair& output, const pipe_pair& errors)
    {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_adddup2(&actions_, output.end[1], 1);
        ::posix_spawn_file_actions_adddup2(&actions_, errors.end[1], 2);
        ::posix_spawn_file_actions_addchdir_np(&actions_, "/");
        ::posix_spawnattr_init(&attributes_);
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        ::posix_spawnattr_setpgroup(&attributes_, 0);
        ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    ~spawn_plan()
    {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }
    spawn_plan(const spawn_plan&) = delete;
    spawn_plan& operator=(const spawn_plan&) = delete;

    pid_t start(const std::string& program, std::vector<std::string> arguments, std::vector<std::string> environment) const
    {
        const auto pointers = [](std::vector<std::string>& texts) {
            std::vector<char*> out;
            for (auto& text : texts) out.push_back(text.data());
            out.push_back(nullptr);
            return out;
        };
        arguments.insert(arguments.begin(), program);
        pid_t child = -1;
        const int failed = ::posix_spawn(&child, program.c_str(), &actions_, &attributes_, pointers(arguments).data(),
                                         pointers(environment).data());
        return failed == 0 ? child : -1;
    }

private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

/// Takes what is readable; false at the end of the stream. What is over the limit is read and dropped.
bool drain(int fd, std::string& into)
{
    std::array<char, 65536> piece{};
    const auto got = ::read(fd, piece.data(), piece.size());
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    const auto room = max_client_answer - into.size();
    into.append(piece.data(), std::min(room, static_cast<std::size_t>(got)));
    return got > 0;
}

/// Until both outputs end; false if `deadline` comes first.
bool collect(pipe_pair& output, pipe_pair& errors, answer& out, steady_clock::time_point deadline)
{
    while (output.end[0] >= 0 || errors.end[0] >= 0) {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
        if (left.count() <= 0) return false;
        std::array<pollfd, 2> watched{{{output.end[0], POLLIN, 0}, {errors.end[0], POLLIN, 0}}};
        if (::poll(watched.data(), watched.size(), static_cast<int>(left.count())) <= 0) continue;
        if (watched[0].revents != 0 && !drain(output.end[0], out.output)) output.close_end(0);
        if (watched[1].revents != 0 && !drain(errors.end[0], out.errors)) errors.close_end(0);
    }
    return true;
}

/// The exit code, or -1.
int await_exit(pid_t child, bool in_time, steady_clock::time_point deadline)
{
    int status = 0;
    while (in_time && steady_clock::now() < deadline) {
        const auto ended = ::waitpid(child, &status, WNOHANG);
        if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (ended < 0 && errno != EINTR) return -1;
        const timespec pause{0, std::chrono::nanoseconds(exit_poll).count()};
        ::nanosleep(&pause, nullptr);
    }
    ::kill(-child, SIGKILL); // its whole group: clients are often scripts around the program
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return -1;
}

} // namespace

std::optional<answer> ask_client(const surroundings& here, const std::string& program, const std::vector<std::string>& arguments,
                                 const std::map<std::string, std::string>& extra_environment)
{
    const auto found = find_program(here, program);
    if (!found) return std::nullopt;
    auto variables = here.environment;
    for (const auto& [name, value] : extra_environment) variables[name] = value;
    std::vector<std::string> environment;
    for (const auto& [name, value] : variables) environment.push_back(name + '=' + value);

    answer out;
    pipe_pair output, errors;
    if (output.end[0] < 0 || errors.end[0] < 0) return answer{-1, {}, "no pipe"};
    const auto deadline = steady_clock::now() + client_timeout;
    const auto child = spawn_plan(output, errors).start(found->string(), arguments, std::move(environment));
    if (child < 0) return answer{-1, {}, "could not be started"};
    output.close_end(1);
    errors.close_end(1);
    const bool in_time = collect(output, errors, out, deadline);
    out.status = await_exit(child, in_time, deadline);
    return out;
}

} // namespace cofferdam::config
