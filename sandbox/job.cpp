#include "sandbox/job.hpp"

#include "sandbox/init.hpp"
#include "sandbox/mounts.hpp"
#include "sandbox/refusal.hpp"
#include "sandbox/stdio.hpp"
#include "sandbox/terminal.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <linux/sched.h>
#include <mutex>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cofferdam::sandbox {

struct job::state {
    ~state();
    frame request_and_wait();
    void await_done();
    exit_status finish(exit_status end);
    exit_status died();
    void on_stopped(int number);
    void reap();

    pid_t init = -1;
    unique_fd pidfd;
    control_socket control;
    std::mutex sending;
    std::vector<unique_fd> descriptors;
    std::vector<std::string> notes;
    terminal tty;
    bool lent = false;
    bool reaped = false;
    siginfo_t how{};
    std::optional<exit_status> ended;
};

namespace {

std::string current_directory()
{
    std::array<char, PATH_MAX> path{};
    if (::getcwd(path.data(), path.size()) == nullptr || path[0] != '/') {
        throw launch_error("the working directory has no path (was it removed?)");
    }
    return path.data();
}

blueprint draw_blueprint(options wanted, const terminal& tty, std::vector<std::string>& notes)
{
    if (wanted.command.empty() || wanted.command[0].empty()) throw launch_error("no command to run");
    blueprint plan;
    plan.who = identify_caller();
    plan.guarded = plan_protection(wanted.protected_paths, notes);
    check_standard_streams(plan.guarded);
    plan.directory = current_directory();
    plan.sockets = plan_sockets(wanted.allowed_sockets, plan.directory);
    plan.terminal = tty.present();
    plan.foreground = tty.lend_at_start();
    plan.wanted = std::move(wanted);
    return plan;
}

/// Another thread could hold a lock (malloc's) that the child would wait for without end; and the job dies with the thread
/// that made it, so it has to be the main one.
void require_single_thread()
{
#if !defined(__SANITIZE_THREAD__) // whose runtime has a thread of its own
    if (read_text("/proc/self/status").find("\nThreads:\t1\n") == std::string::npos) {
        throw launch_error("a job can only be launched while the process has no other threads");
    }
#endif
}

/// fork(2) into new namespaces. The raw system call: libc has no wrapper that returns twice and takes flags.
pid_t fork_into_namespaces(unique_fd& pidfd)
{
    constexpr unsigned long flags =
        CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_PIDFD | SIGCHLD;
    std::fflush(nullptr); // or both processes would write what is buffered
    int fd = -1;
    const auto child = static_cast<pid_t>(::syscall(SYS_clone, flags, nullptr, &fd, nullptr, nullptr));
    if (child < 0) throw launch_error(explain_refusal("making the job's namespaces", errno));
    if (child > 0) pidfd.reset(fd);
    return child;
}

} // namespace

job::job(std::unique_ptr<state> made) : state_(std::move(made)) {}
job::job(job&&) noexcept = default;
job& job::operator=(job&&) noexcept = default;
job::~job() = default;

job::state::~state()
{
    if (init < 0) return;
    if (!reaped) ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
    reap();
    if (lent) tty.take_back(true);
}

void job::state::reap()
{
    if (reaped) return;
    reaped = true;
    // PID 1 ends only after every other process of its namespace.
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &how, WEXITED) != 0 && errno == EINTR) {}
}

/// The next frame that answers a request.
frame job::state::request_and_wait()
{
    for (;;) {
        auto answer = control.receive();
        if (!answer) {
            reap();
            throw launch_error("the job's PID 1 died while it was set up (signal " + std::to_string(how.si_status) + ")");
        }
        if (answer->type == frame_type::failed) throw launch_error(answer->body);
        if (answer->type == frame_type::note)
            notes.push_back(std::move(answer->body));
        else if (answer->type == frame_type::descriptors)
            descriptors = std::move(answer->descriptors);
        else
            return std::move(*answer);
    }
}

job job::launch(options wanted)
{
    require_single_thread();
    auto made = std::make_unique<state>();
    auto plan = draw_blueprint(std::move(wanted), made->tty, made->notes);
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) throw_errno("making a socket pair");
    made->control = control_socket(unique_fd(ends[0]));
    control_socket inner{unique_fd(ends[1])};
    const auto who = plan.who;
    made->lent = plan.foreground;
    made->init = fork_into_namespaces(made->pidfd);
    if (made->init == 0) {
        made->control.close();
        run_init(std::move(plan), std::move(inner));
    }
    inner.close();
    made->request_and_wait(); // born
    write_id_maps(made->init, who);
    made->control.send(frame_type::mapped);
    made->request_and_wait();
    return job(std::move(made));
}

std::vector<unique_fd> job::take_descriptors()
{
    return std::move(state_->descriptors);
}

void job::show(const std::vector<shown_file>& files)
{
    for (const auto& file : files) {
        field_writer fields;
        fields.add(file.path).add(file.content).add(static_cast<std::int64_t>(file.mode));
        state_->control.send(frame_type::show, fields.body());
        state_->request_and_wait();
    }
}

void job::start(const std::vector<variable>& environment)
{
    field_writer fields;
    for (const auto& [name, value] : environment) fields.add(name).add(value);
    state_->control.send(frame_type::start, fields.body());
    state_->request_and_wait();
}

const std::vector<std::string>& job::notes() const noexcept
{
    return state_->notes;
}

pid_t job::init_pid() const noexcept
{
    return state_->init;
}

int job::pidfd() const noexcept
{
    return state_->pidfd.get();
}

void job::signal(int number, bool to_group)
{
    field_writer fields;
    fields.add(std::int64_t{number}).add(std::int64_t{to_group ? 1 : 0});
    const std::lock_guard lock(state_->sending);
    state_->control.send(frame_type::signal, fields.body());
}

int job::descriptor() const noexcept
{
    return state_->control.fd();
}

exit_status job::state::finish(exit_status end)
{
    reap();
    if (lent) tty.take_back(end.signal != 0);
    lent = false;
    ended = end;
    return end;
}

exit_status job::state::died()
{
    reap();
    exit_status end;
    end.signal = how.si_code == CLD_EXITED ? SIGKILL : how.si_status;
    end.error = "the job's PID 1 was killed";
    return finish(std::move(end));
}

void job::state::on_stopped(int number)
{
    const bool wants_terminal = number == SIGTTIN || number == SIGTTOU;
    if (!wants_terminal || !tty.is_foreground()) {
        if (lent) tty.take_back(false);
        ::kill(::getpid(), SIGSTOP); // the shell that started us takes over; we go on when it continues us
    }
    lent = tty.is_foreground();
    const std::lock_guard lock(sending);
    control.send(frame_type::resume, field_writer().add(std::int64_t{lent ? 1 : 0}).body());
}

std::optional<exit_status> job::advance()
{
    if (state_->ended) return state_->ended;
    const auto event = state_->control.receive();
    if (!event) return state_->died();
    field_reader fields(event->body);
    if (event->type == frame_type::ended) {
        exit_status end;
        end.code = static_cast<int>(fields.number());
        end.signal = static_cast<int>(fields.number());
        end.error = fields.text();
        return state_->finish(std::move(end));
    }
    if (event->type == frame_type::stopped) state_->on_stopped(static_cast<int>(fields.number()));
    return std::nullopt;
}

exit_status job::wait()
{
    for (;;) {
        if (auto end = advance()) return *end;
    }
}

void harden_gateway_process()
{
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) throw_errno("PR_SET_DUMPABLE");
    ::signal(SIGIO, SIG_IGN);
    ::signal(SIGTTOU, SIG_IGN);
}

} // namespace cofferdam::sandbox
