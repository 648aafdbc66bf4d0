#pragma once

#include <atomic>
#include <cstdint>
#include <sys/socket.h>

namespace cofferdam {

/// Packet mark of everything that the gateway itself sends out (SO_MARK), where it shares a network namespace with those whose
/// traffic it captures; 0: none. Set once, before there are sockets.
inline std::atomic<std::uint32_t>& own_mark() noexcept
{
    static std::atomic<std::uint32_t> value{0};
    return value;
}

/// Marks a socket that is about to be connected. False: it must not be used, its packets would come back. Needs CAP_NET_ADMIN.
inline bool mark_own(int socket) noexcept
{
    const std::uint32_t mark = own_mark();
    return mark == 0 || ::setsockopt(socket, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0;
}

} // namespace cofferdam
