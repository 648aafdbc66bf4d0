#pragma once

#include <csignal>
#include <vector>

namespace cofferdam::gateway {

/// Blocks the signals that end or inform a command, for this thread and all that it makes from now on, and gives them out
/// one by one to be forwarded. Ignores SIGPIPE. The former mask returns with the destructor.
class forwarded_signals {
public:
    struct arrived {
        int number;
        bool from_terminal; ///< sent by the kernel for a key: it was meant for the whole process group
    };

    forwarded_signals();
    ~forwarded_signals();
    forwarded_signals(const forwarded_signals&) = delete;
    forwarded_signals& operator=(const forwarded_signals&) = delete;

    int descriptor() const noexcept { return descriptor_; } ///< readable when take() has something
    std::vector<arrived> take();

private:
    int descriptor_ = -1;
    sigset_t before_{};
};

} // namespace cofferdam::gateway
