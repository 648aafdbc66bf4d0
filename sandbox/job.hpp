#pragma once

#include "sandbox/errors.hpp"
#include "sandbox/unique_fd.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace cofferdam::sandbox {

/// A directory that exists only in the job. Files shown below it are made there, so variables such as SSL_CERT_FILE can
/// name them on any system.
inline constexpr const char* files_directory = "/dev/cofferdam";

/// A file that the job sees at `path`, read-only. Over a system path it is bound on the file that is there (symbolic
/// links followed); where the system has no such file it is left out, which a note says. Below files_directory it is made.
struct shown_file {
    std::string path; ///< absolute
    std::string content;
    mode_t mode = 0444;
};

using variable = std::pair<std::string, std::string>;

struct options {
    std::vector<std::string> command;  ///< argv; the first is looked up in the job's PATH
    std::vector<variable> environment; ///< set or replaced in the job
    std::vector<std::string> unset;    ///< taken out of the job's environment
    std::vector<shown_file> files;     ///< more can follow with job::show
    /// Existing regular files (audit log, policy, report): not written, cut, renamed or replaced from inside, by any path.
    std::vector<std::string> protected_paths;
    std::vector<std::string> allowed_sockets; ///< pathname sockets that stay reachable; each must exist
    /// Runs in the job's user and network namespaces with CAP_NET_ADMIN, in a copy of the calling process: what it changes
    /// in memory is lost. The descriptors that it returns go to the caller (job::take_descriptors). What it throws, launch
    /// throws.
    std::function<std::vector<int>()> setup_network;
};

/// How the command ended.
struct exit_status {
    int code = 0;      ///< exit code; 126 not executable, 127 not found, as shells do
    int signal = 0;    ///< not 0: killed by it
    std::string error; ///< why the command could not be executed, or empty

    /// What a shell would put in $?: code, or 128 + signal.
    int shell_code() const noexcept { return signal != 0 ? 128 + signal : code; }
};

/// A command in its sealed namespaces, and its PID 1. All of it dies with this object, and with the process that made it.
class job {
public:
    /// Makes the namespaces, the network and the mounts; the command does not run yet. Call it from the main thread while
    /// there is no other (the job is bound to the life of the calling thread, PR_SET_PDEATHSIG), before secrets are in
    /// memory (PID 1 keeps a copy of the caller's memory, which the job cannot read), and before signal dispositions are
    /// changed (a SIGHUP, SIGINT or SIGQUIT ignored now is ignored in the job). Throws launch_error.
    static job launch(options wanted);

    job(job&&) noexcept;
    job& operator=(job&&) noexcept;
    ~job();

    /// What setup_network returned, in its order. Once.
    std::vector<unique_fd> take_descriptors();

    /// Shows more files. Before start. Throws launch_error.
    void show(const std::vector<shown_file>& files);

    /// Seals the mounts, drops every privilege, runs the command. `environment` is set over options::environment.
    /// A command that cannot be executed is an exit_status, not an error here. Throws launch_error.
    void start(const std::vector<variable>& environment = {});

    /// What was masked, protected or left open, one line each, for the report.
    const std::vector<std::string>& notes() const noexcept;

    pid_t init_pid() const noexcept; ///< PID 1 of the job, as the caller's PID namespace numbers it
    int pidfd() const noexcept;      ///< of the same

    /// Sends `number` to the command, or to its process group (what a terminal does). The job has a process group of its
    /// own, so that it cannot signal the caller's: forward what the caller gets. Not async-signal-safe. Thread-safe.
    void signal(int number, bool to_group = false);

    /// Becomes readable when advance() has something to do. Owned by the job.
    int descriptor() const noexcept;

    /// Reads one event. When the command has ended and everything in the job is dead: its status, from then on each time.
    /// When the command was stopped at a terminal (Ctrl-Z): stops the calling process too, until a SIGCONT, as a shell
    /// expects. Blocks if descriptor() is not readable.
    std::optional<exit_status> advance();

    /// advance() to the end.
    exit_status wait();

private:
    struct state;
    explicit job(std::unique_ptr<state> made);
    std::unique_ptr<state> state_;
};

/// Makes the calling process untraceable and undumpable for processes of its own uid (PR_SET_DUMPABLE) and
/// deaf to SIGIO, which a job could otherwise raise through a shared terminal, and to SIGTTOU, so that it can write to the
/// terminal while the job has the foreground. Call it before launch.
void harden_gateway_process();

} // namespace cofferdam::sandbox
