#pragma once

#include "nft/io/capture.hpp"
#include "nft/io/ruleset_watch.hpp"
#include "nft/local_ruleset.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace cofferdam::nft {

/// The rules of a network namespace that is attached: its processes are the clients, and the gateway dials from elsewhere.
local_options attached_options();

/// A gateway's way into a network namespace that it is not in: one listener a family, one packet queue, and what its ruleset is
/// made and watched through. A socket stays in its namespace whoever uses it.
struct attached_sockets {
    capture_sockets captured;
    descriptor netfilter, notifications; ///< of a ruleset_sockets
};

/// In the network namespace of the calling thread, which is not changed by it. Needs CAP_NET_ADMIN and CAP_NET_RAW there. Throws
/// sealed_network_error; a namespace that has a gateway already is such an error.
attached_sockets open_attached_sockets(const socket_sizes& sizes);

inline constexpr std::size_t most_attached_sockets = 12;

/// In the order that assemble_attached() expects; they stay owned by `sockets`.
std::vector<int> numbers_of(const attached_sockets& sockets);

/// What somebody sent who says that open_attached_sockets() made it: each is looked at, and made non-blocking. errc::malformed
/// if it is not what it should be, or if they are of more than one network namespace.
result<attached_sockets> assemble_attached(std::vector<descriptor> received);

/// Whose network namespace the socket is of (SO_NETNS_COOKIE, Linux 5.14): a number that no other ever has.
result<std::uint64_t> network_of(int socket);
/// That of the calling thread.
result<std::uint64_t> own_network();

} // namespace cofferdam::nft
