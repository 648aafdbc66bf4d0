#pragma once

#include "core/result.hpp"
#include "nft/io/descriptor.hpp"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace cofferdam::gateway {

/// Descriptors that travel over a Unix stream socket with bytes of it (SCM_RIGHTS, unix(7)).

inline constexpr std::size_t most_descriptors = 16; ///< with one message

/// Sends them with the beginning of `bytes`, of which there is one at least; how many of these were sent. They stay the caller's.
/// errc::too_large, or the system's error.
result<std::size_t> send_with_descriptors(int socket, std::string_view bytes, std::span<const int> descriptors);

struct received_message {
    std::size_t size = 0; ///< 0: the other end has ended
    std::vector<nft::descriptor> descriptors;
};

/// Reads what there is, at most as much as `room` has, and the descriptors that came with it, close-on-exec. errc::too_large if
/// there were more than most_descriptors: none is kept.
result<received_message> receive_with_descriptors(int socket, std::span<char> room);

} // namespace cofferdam::gateway
