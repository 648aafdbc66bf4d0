#include "sandbox/init.hpp"

#include "core/text.hpp"
#include "sandbox/mounts.hpp"
#include "sandbox/privileges.hpp"
#include "sandbox/refusal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

/// execvp(3) says EACCES, not ENOENT, if only some directory of PATH could not be searched. Shells say "not found".
bool is_found(const std::string& command)
{
    if (command.find('/') != std::string::npos) return true;
    const auto* variable = std::getenv("PATH");
    std::string_view rest = variable != nullptr ? variable : "/bin:/usr/bin";
    while (!rest.empty()) {
        const auto end = std::min(rest.find(':'), rest.size());
        if (::access((std::string(rest.substr(0, end)) + "/" + command).c_str(), F_OK) == 0) return true;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
}

class init {
public:
    init(blueprint plan, control_socket control) : plan_(std::move(plan)), control_(std::move(control)) {}

    void prepare();
    void serve_until_start();
    void run_command();
    [[noreturn]] void watch();
    control_socket& control() noexcept { return control_; }

private:
    void expect(frame_type type);
    void set_up_network();
    void close_inherited() const;
    void send_notes();
    std::vector<std::string> command_environment() const;
    [[noreturn]] void become_command(int report) const;
    void on_request();
    void on_child();
    [[noreturn]] void finish(int status);

    blueprint plan_;
    control_socket control_;
    std::array<bool, inherited_signals.size()> ignored_{};
    notes notes_;
    std::vector<variable> late_environment_;
    unique_fd tty_;
    unique_fd children_;
    unique_fd exec_report_;
    pid_t command_ = -1;
};

/// A parent that died before PR_SET_PDEATHSIG took effect is seen by the end of its control socket.
void die_with_parent()
{
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) throw_errno("PR_SET_PDEATHSIG");
}

void init::expect(frame_type type)
{
    const auto answer = control_.receive();
    if (!answer) ::_exit(0);
    if (answer->type != type) throw launch_error("the gateway and its job disagree about the next step");
}

void init::prepare()
{
    ::prctl(PR_SET_NAME, "cofferdam-init", 0, 0, 0);
    for (std::size_t i = 0; i < inherited_signals.size(); ++i) {
        struct sigaction old {};
        ::sigaction(inherited_signals[i], nullptr, &old);
        ignored_[i] = old.sa_handler == SIG_IGN;
    }
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE, SIGUSR1, SIGUSR2}) {
        ::signal(number, SIG_IGN);
    }
    // Undumpable, our /proc files belong to root, and a caller that is not could not write the maps.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    control_.send(frame_type::born);
    expect(frame_type::mapped);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    die_with_parent();
    if (plan_.terminal) {
        ::setpgid(0, 0);
        tty_.reset(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    }
    else {
        ::setsid();
    }
    mount_own_proc();
    set_up_network();
    close_inherited();
    build_dev(plan_.who);
    protect(plan_.guarded, notes_);
    hide_sockets(plan_.sockets, notes_);
    for (const auto& file : plan_.wanted.files) show_file(file, plan_.sockets, notes_);
    restrict_kernel_files(plan_.who, notes_);
    // The directory that we are in may be below a mount that covers it now.
    if (::chdir(plan_.directory.c_str()) != 0) throw_errno("entering " + plan_.directory);
    send_notes();
    control_.send(frame_type::done);
}

void init::set_up_network()
{
    if (!plan_.wanted.setup_network) return;
    const auto made = plan_.wanted.setup_network();
    if (!control_.send(frame_type::descriptors, {}, made)) ::_exit(0);
    for (const int fd : made) ::close(fd);
    plan_.wanted.setup_network = nullptr;
}

void init::close_inherited() const
{
    std::vector<int> kept{control_.fd()};
    if (tty_) kept.push_back(tty_.get());
    std::sort(kept.begin(), kept.end());
    unsigned next = 3;
    for (const int fd : kept) {
        const auto last = static_cast<unsigned>(fd);
        if (last > next) ::syscall(SYS_close_range, next, last - 1, 0);
        next = last + 1;
    }
    if (::syscall(SYS_close_range, next, ~0U, 0) != 0) throw_errno("close_range (Linux 5.9 or newer is needed)");
}

void init::send_notes()
{
    for (const auto& line : notes_) control_.send(frame_type::note, escape_line(line));
    notes_.clear();
}

void init::serve_until_start()
{
    for (;;) {
        const auto request = control_.receive();
        if (!request) ::_exit(0);
        field_reader fields(request->body);
        if (request->type == frame_type::show) {
            const auto path = fields.text();
            const auto content = fields.text();
            show_file({path, content, static_cast<mode_t>(fields.number())}, plan_.sockets, notes_);
            send_notes();
            control_.send(frame_type::done);
        }
        else if (request->type == frame_type::start) {
            while (!fields.empty()) {
                auto name = fields.text();
                late_environment_.emplace_back(std::move(name), fields.text());
            }
            return;
        }
    }
}

void init::run_command()
{
    seal_dev();
    keep_capabilities(plan_.who.root ? job_capabilities(plan_.who.capabilities) : 0);
    install_system_call_filter();
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, nullptr);
    children_.reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    std::array<int, 2> report{};
    if (!children_ || ::pipe2(report.data(), O_CLOEXEC) != 0) throw_errno("making a pipe");
    exec_report_.reset(report[0]);
    const unique_fd reporting(report[1]);
    command_ = ::fork();
    if (command_ < 0) throw_errno("fork");
    if (command_ == 0) become_command(reporting.get());
    // Only what forwarding signals to a command under another uid takes.
    set_capabilities(plan_.who.root ? plan_.who.capabilities & (1ULL << CAP_KILL) : 0);
    control_.send(frame_type::done);
}

std::vector<std::string> init::command_environment() const
{
    std::vector<std::string> result;
    const auto remove = [&result](const std::string& name) {
        std::erase_if(result, [&](const std::string& entry) { return entry.compare(0, name.size() + 1, name + "=") == 0; });
    };
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) result.emplace_back(*entry);
    for (const auto& name : plan_.sockets.variables) remove(name);
    for (const auto& name : plan_.wanted.unset) remove(name);
    for (const auto* list : {&plan_.wanted.environment, &late_environment_}) {
        for (const auto& [name, value] : *list) {
            remove(name);
            result.push_back(name + "=" + value);
        }
    }
    return result;
}

void init::become_command(int report) const
{
    ::setpgid(0, 0);
    if (plan_.foreground && tty_) ::tcsetpgrp(tty_.get(), ::getpgrp()); // SIGTTOU is ignored until below
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    for (std::size_t i = 0; i < inherited_signals.size(); ++i) {
        if (ignored_[i]) ::signal(inherited_signals[i], SIG_IGN);
    }
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    auto variables = command_environment();
    std::vector<char*> environment;
    for (auto& entry : variables) environment.push_back(entry.data());
    environment.push_back(nullptr);
    std::vector<char*> arguments;
    auto words = plan_.wanted.command;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    environ = environment.data();
    ::execvp(arguments[0], arguments.data());
    int error = errno;
    if (error == EACCES && !is_found(words[0])) error = ENOENT;
    if (::write(report, &error, sizeof error) < 0) ::_exit(126);
    ::_exit(127);
}

void init::watch()
{
    for (;;) {
        std::array<pollfd, 2> waiting{pollfd{control_.fd(), POLLIN, 0}, pollfd{children_.get(), POLLIN, 0}};
        if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) ::_exit(1);
        if (waiting[0].revents != 0) on_request();
        if (waiting[1].revents != 0) on_child();
    }
}

void init::on_request()
{
    const auto request = control_.receive();
    if (!request) ::_exit(0); // the gateway is gone: the kernel kills what is left of the namespace
    field_reader fields(request->body);
    if (request->type == frame_type::signal) {
        const auto number = static_cast<int>(fields.number());
        ::kill(fields.number() != 0 ? -command_ : command_, number);
    }
    else if (request->type == frame_type::resume) {
        if (fields.number() != 0 && tty_) ::tcsetpgrp(tty_.get(), command_);
        ::kill(-command_, SIGCONT);
    }
}

void init::on_child()
{
    signalfd_siginfo info{};
    while (::read(children_.get(), &info, sizeof info) > 0) {}
    int status = 0;
    for (;;) {
        const auto child = ::waitpid(-1, &status, WNOHANG | WUNTRACED);
        if (child <= 0) return;
        if (child != command_) continue;
        if (!WIFSTOPPED(status)) finish(status);
        if (plan_.terminal) control_.send(frame_type::stopped, field_writer().add(std::int64_t{WSTOPSIG(status)}).body());
    }
}

void init::finish(int status)
{
    exit_status end;
    if (WIFSIGNALED(status))
        end.signal = WTERMSIG(status);
    else
        end.code = WEXITSTATUS(status);
    int error = 0;
    if (::fcntl(exec_report_.get(), F_SETFL, O_NONBLOCK) == 0 &&
        ::read(exec_report_.get(), &error, sizeof error) == static_cast<ssize_t>(sizeof error)) {
        end.code = error == ENOENT ? 127 : 126;
        end.error = plan_.wanted.command[0] + ": " + (error == ENOENT ? "command not found" : std::strerror(error));
    }
    field_writer fields;
    fields.add(std::int64_t{end.code}).add(std::int64_t{end.signal}).add(end.error);
    control_.send(frame_type::ended, fields.body());
    ::_exit(0);
}

} // namespace

void run_init(blueprint plan, control_socket control) noexcept
{
    init first(std::move(plan), std::move(control));
    try {
        first.prepare();
        first.serve_until_start();
        first.run_command();
        first.watch();
    }
    catch (const std::exception& failure) {
        first.control().send(frame_type::failed, failure.what());
    }
    catch (...) {
        first.control().send(frame_type::failed, "unknown failure in the job's PID 1");
    }
    ::_exit(1);
}

} // namespace cofferdam::sandbox
