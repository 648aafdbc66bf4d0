#include "gateway/signals.hpp"

#include <stdexcept>
#include <sys/signalfd.h>
#include <unistd.h>

namespace cofferdam::gateway {

forwarded_signals::forwarded_signals()
{
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH}) sigaddset(&set, number);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    descriptor_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (descriptor_ < 0) throw std::runtime_error("signalfd failed");
    std::signal(SIGPIPE, SIG_IGN);
}

forwarded_signals::~forwarded_signals()
{
    ::close(descriptor_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

std::vector<forwarded_signals::arrived> forwarded_signals::take()
{
    std::vector<arrived> out;
    signalfd_siginfo info{};
    while (::read(descriptor_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        out.push_back({static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL});
    }
    return out;
}

} // namespace cofferdam::gateway
