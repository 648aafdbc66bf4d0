#pragma once

#include "sandbox/unique_fd.hpp"

#include <optional>
#include <termios.h>

namespace cofferdam::sandbox {

/// The caller's controlling terminal, lent to the job. The job is a process group of its own, or kill(0) in it would reach
/// the caller's group; so the foreground has to be passed to and fro, as a shell does with its jobs.
class terminal {
public:
    /// Looks for a controlling terminal.
    terminal();

    bool present() const noexcept { return static_cast<bool>(tty_); }

    /// True if the job should start in the foreground: the caller is there, and not a member of a pipeline whose other
    /// members may need the terminal.
    bool lend_at_start() const noexcept;

    /// True if the caller's process group is in the foreground.
    bool is_foreground() const noexcept;

    /// Takes the foreground back, and the modes too if `restore_modes`.
    void take_back(bool restore_modes) noexcept;

private:
    unique_fd tty_;
    std::optional<termios> modes_;
};

} // namespace cofferdam::sandbox
