#pragma once

#include <cstring>
#include <span>
#include <sys/socket.h>
#include <vector>

namespace cofferdam {

/// Descriptors that travel with a message over a Unix socket (SCM_RIGHTS, unix(7)).

/// Has `message` carry them: `room` is where they are written, of at least CMSG_SPACE(descriptors.size_bytes()), aligned like a
/// cmsghdr. With none the message is as it was.
inline void add_descriptors(msghdr& message, std::span<char> room, std::span<const int> descriptors) noexcept
{
    if (descriptors.empty()) return;
    message.msg_control = room.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    auto* item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(item), descriptors.data(), descriptors.size_bytes());
}

/// Those that came with a message, each in an `Owner`, which is made from its number and closes it.
template <class Owner>
std::vector<Owner> take_descriptors(msghdr& message)
{
    std::vector<Owner> out;
    for (auto* item = CMSG_FIRSTHDR(&message); item != nullptr; item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
        const auto count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(item) + i * sizeof number, sizeof number);
            out.emplace_back(number);
        }
    }
    return out;
}

} // namespace cofferdam
