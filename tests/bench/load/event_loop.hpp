// Edge-triggered epoll over connections.
#pragma once

#include "connection.hpp"

#include <array>
#include <cstdint>
#include <sys/epoll.h>
#include <unistd.h>

namespace bench {

class event_loop {
public:
    event_loop() : fd_(epoll_create1(EPOLL_CLOEXEC)) {}
    ~event_loop() { ::close(fd_); }
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;

    /// `tag` is given back with each edge.
    void add(int descriptor, std::uint64_t tag, std::uint32_t events = EPOLLIN | EPOLLOUT | EPOLLET)
    {
        epoll_event event{.events = events, .data = {.u64 = tag}};
        epoll_ctl(fd_, EPOLL_CTL_ADD, descriptor, &event);
    }

    /// Waits at most `milliseconds`, then calls `on_edge(tag)` for each that is ready.
    template <class OnEdge>
    void wait(int milliseconds, OnEdge on_edge)
    {
        std::array<epoll_event, 256> events;
        const int count = epoll_wait(fd_, events.data(), events.size(), milliseconds);
        for (int i = 0; i < count; ++i) on_edge(events[i].data.u64);
    }

private:
    int fd_;
};

} // namespace bench
