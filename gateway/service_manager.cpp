#include "gateway/service_manager.hpp"

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace cofferdam::gateway {
namespace {

template <class Number>
std::optional<Number> number_of(const char* variable)
{
    const char* text = std::getenv(variable);
    if (!text) return std::nullopt;
    Number out{};
    const char* end = text + std::strlen(text);
    const auto [stop, ec] = std::from_chars(text, end, out);
    if (ec != std::errc() || stop != end) return std::nullopt;
    return out;
}

} // namespace

void notify_service_manager(const std::string& state) noexcept
{
    const char* path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (!path || (path[0] != '/' && path[0] != '@')) return;
    const std::size_t size = std::strlen(path);
    if (size >= sizeof to.sun_path) return;
    std::memcpy(to.sun_path, path, size);
    if (path[0] == '@') to.sun_path[0] = '\0'; // an abstract name
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size + (path[0] == '/' ? 1 : 0));
    ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), length);
    ::close(fd);
}

std::optional<std::chrono::microseconds> watchdog_interval()
{
    const auto pid = number_of<long>("WATCHDOG_PID");
    if (pid && *pid != ::getpid()) return std::nullopt;
    const auto interval = number_of<long long>("WATCHDOG_USEC");
    if (!interval || *interval <= 0) return std::nullopt;
    return std::chrono::microseconds(*interval);
}

} // namespace cofferdam::gateway
