#include "sandbox/terminal.hpp"

#include <csignal>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cofferdam::sandbox {

terminal::terminal() : tty_(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC))
{
    termios modes{};
    if (tty_ && ::tcgetattr(tty_.get(), &modes) == 0) modes_ = modes;
}

bool terminal::is_foreground() const noexcept
{
    return tty_ && ::tcgetpgrp(tty_.get()) == ::getpgrp();
}

bool terminal::lend_at_start() const noexcept
{
    for (int fd = 0; fd <= 2; ++fd) {
        struct stat status {};
        if (::fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))) return false;
    }
    return is_foreground();
}

void terminal::take_back(bool restore_modes) noexcept
{
    if (!tty_) return;
    sigset_t block;
    sigset_t before;
    sigemptyset(&block);
    sigaddset(&block, SIGTTOU); // tcsetpgrp from the background would stop us
    pthread_sigmask(SIG_BLOCK, &block, &before);
    ::tcsetpgrp(tty_.get(), ::getpgrp());
    if (restore_modes && modes_) ::tcsetattr(tty_.get(), TCSADRAIN, &*modes_);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

} // namespace cofferdam::sandbox
