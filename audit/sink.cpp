#include "audit/sink.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace cofferdam::audit {
namespace {

/// A pipe that polls writable takes this much without blocking (pipe(7), PIPE_BUF); so does a terminal.
constexpr std::size_t pipe_chunk = 4096;

[[noreturn]] void fail(int error, const std::string& what)
{
    throw std::system_error(error, std::generic_category(), what);
}

} // namespace

sink::sink(int fd, std::string name, bool owned) : fd_(fd), name_(std::move(name)), owned_(owned)
{
    struct stat status {};
    regular_ = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
}

sink::sink(sink&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)), owned_(other.owned_), regular_(other.regular_)
{
}

sink::~sink()
{
    if (owned_ && fd_ >= 0) ::close(fd_);
}

sink sink::open_file(const std::string& path)
{
    // Read-write only to see whether an interrupted run left a line unfinished; write-only where that is all we may.
    constexpr int flags = O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = ::open(path.c_str(), flags | O_RDWR, 0600);
    if (fd < 0 && errno == EACCES) fd = ::open(path.c_str(), flags | O_WRONLY, 0600);
    if (fd < 0 && errno == ELOOP) fail(ELOOP, "audit log " + path + " is a symbolic link");
    if (fd < 0) fail(errno, "audit log " + path);
    sink out(fd, path, true);
    if (!out.regular_) return out;
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) fail(errno, "audit log " + path + " is being written by another cofferdam");
    struct stat status {};
    char last = '\n';
    if (::fstat(fd, &status) == 0 && status.st_size > 0 && ::pread(fd, &last, 1, status.st_size - 1) == 1 && last != '\n') {
        if (::write(fd, "\n", 1) != 1) fail(errno, "audit log " + path);
    }
    return out;
}

sink sink::adopt(int fd, std::string name)
{
    return {fd, std::move(name), true};
}

sink sink::standard_output()
{
    return {STDOUT_FILENO, "standard output", false};
}

std::size_t sink::write_some(std::string_view text, std::chrono::milliseconds patience, std::error_code& ec) noexcept
{
    ec.clear();
    if (!regular_) {
        struct pollfd ready {
            fd_, POLLOUT, 0
        };
        const int n = ::poll(&ready, 1, static_cast<int>(patience.count()));
        if (n == 0 || (n < 0 && errno == EINTR)) return 0;
        text = text.substr(0, pipe_chunk);
    }
    const auto written = ::write(fd_, text.data(), text.size());
    if (written >= 0) return static_cast<std::size_t>(written);
    if (errno != EINTR && errno != EAGAIN) ec.assign(errno, std::generic_category());
    return 0;
}

void sink::sync() noexcept
{
    if (regular_) ::fdatasync(fd_);
}

std::vector<sink> open_sinks(const settings& how)
{
    std::vector<sink> out;
    out.reserve(how.sinks.size());
    for (const auto& wanted : how.sinks) {
        if (wanted.what == sink_settings::kind::file)
            out.push_back(sink::open_file(wanted.path));
        else
            out.push_back(sink::standard_output());
    }
    return out;
}

} // namespace cofferdam::audit
