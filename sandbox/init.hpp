#pragma once

#include "sandbox/control.hpp"
#include "sandbox/view.hpp"

#include <array>
#include <csignal>

namespace cofferdam::sandbox {

/// What PID 1 of the job has to know; it is a copy of the caller's process, so it is handed over in memory.
struct blueprint {
    options wanted;
    caller who;
    socket_plan sockets;
    std::vector<std::string> guarded; ///< canonical
    std::string directory;            ///< the working directory
    bool terminal = false;            ///< the job shares a controlling terminal
    bool foreground = false;          ///< and starts in its foreground
};

/// Signals whose being ignored a command inherits from who starts it (nohup(1), background jobs of shells).
inline constexpr std::array inherited_signals{SIGHUP, SIGINT, SIGQUIT};

/// The life of PID 1: namespaces to mounts, network, waiting for start, the command, its end. Never returns.
[[noreturn]] void run_init(blueprint plan, control_socket control) noexcept;

} // namespace cofferdam::sandbox
