#pragma once

#include "nft/ruleset_parts.hpp"

#include <cstdint>
#include <vector>

namespace cofferdam::nft {

/// What the ruleset of a gateway that shares its network namespace with its clients depends on.
struct local_options {
    std::uint16_t stream_port = 15001;    ///< the gateway's TCP listeners
    std::uint16_t name_port = 15053;      ///< the gateway's DNS sockets
    std::vector<std::uint16_t> services;  ///< TCP ports that connections from outside are answered at
    std::vector<std::uint16_t> udp_ports; ///< of `udp://` entries: their datagrams are queued, and go no further than that
    std::uint16_t first_queue = 1500;     ///< NFQUEUE queues from here on; a packet goes to that of its CPU
    std::uint16_t queues = 1;
    queue_encoding queueing = queue_encoding::native;
    log_options log{1500, 320};
    /// Of what the gateway sends to the world: exempt. Clients can't set it without CAP_NET_ADMIN or CAP_NET_RAW (socket(7)).
    std::uint32_t mark = 0xC0FFE;
    std::uint32_t answer_mark = 0xC0FFF; ///< of packets that it sends in another server's name to loopback: exempt, not tracked
    bool dials = true; ///< the gateway's own connections begin here; false: nothing leaves, `mark` exempts nothing
    friend bool operator==(const local_options&, const local_options&) = default;
};

/// The rules of a namespace whose processes are the clients. What they send
/// - and is UDP that may be DNS, is queued first; to loopback too, where a forwarder may listen;
/// - and is TCP to anywhere but loopback, is redirected to the listeners; DNS to the resolver's sockets;
/// - to loopback, is their own affair, but for Docker's resolver at 127.0.0.11, which is reached by redirected queries alone;
/// - else is logged to the group, counted, and refused at once.
/// Connections from outside are answered at the services' ports alone. Nothing is forwarded. Without the gateway the rules stand:
/// TCP is reset, queues drop.
ruleset local_ruleset(const local_options& options);

} // namespace cofferdam::nft
