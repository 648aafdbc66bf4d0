#pragma once

#include "nft/ruleset_parts.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cofferdam::nft {

/// What the ruleset of a gateway that others route through depends on.
struct router_options {
    std::vector<std::string> interfaces;  ///< whose traffic is captured; empty: all but lo
    std::uint16_t stream_port = 15001;    ///< the gateway's TCP listeners
    std::uint16_t name_port = 15053;      ///< the gateway's DNS sockets
    std::vector<std::uint16_t> services;  ///< TCP ports of this machine that captured clients may reach: the explicit proxy
    std::vector<std::uint16_t> udp_ports; ///< of `udp://` entries: their datagrams are queued, and go no further than that
    std::uint16_t first_queue = 1500;     ///< NFQUEUE queues from here on; a packet goes to that of its CPU
    std::uint16_t queues = 1;
    queue_encoding queueing = queue_encoding::native;
    log_options log{1500, 320};
    std::uint32_t answer_mark = 0xC0FFF; ///< of packets that it sends in another server's name: they are not tracked
    friend bool operator==(const router_options&, const router_options&) = default;
};

/// The rules of a router that carries nothing itself. What comes in by a captured interface
/// - and is of a source that answers would not go back to by it (strict reverse path), is logged and dropped without an answer;
/// - and is UDP that may be DNS, is queued first (see queue_rules);
/// - and is TCP, is redirected to the listeners; DNS over UDP and TCP to the resolver's sockets;
/// - else is logged to the group, counted and refused at once, before it is routed: forwarding need not be on.
/// Answers to the gateway's own connections pass, and neighbours are found. Nothing is forwarded, whatever it came by. The
/// gateway's ports take nothing that was not redirected. Without the gateway the rules stand: TCP is reset, queues drop.
ruleset router_ruleset(const router_options& options);

} // namespace cofferdam::nft
