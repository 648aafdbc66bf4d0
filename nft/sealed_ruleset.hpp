#pragma once

#include "nft/expression.hpp"
#include "nft/ruleset_parts.hpp"

#include <cstdint>
#include <vector>

namespace cofferdam::nft {

/// How TCP reaches the gateway's listeners in the sealed namespace. Either way original_dst() gives what was dialled.
enum class capture_method : std::uint8_t {
    tproxy,   ///< no NAT, no connection tracking of TCP: the accepted socket's own address is the destination
    redirect, ///< dnat on output, for kernels without the tproxy expression; the destination is in the tracked flow
};
const char* to_string(capture_method method) noexcept;

/// Addresses of the sealed namespace; the job's are on lo, the gateway's are local by the AnyIP route only. From 100.64.0.0/10
/// (RFC 6598) and fd00::/8 (RFC 4193), so that no public name ever means one.
struct sealed_addresses {
    ip_address gateway_v4 = ip_address::v4(0x64400001U); ///< 100.64.0.1: nameserver, listeners
    ip_address job_v4 = ip_address::v4(0x64400002U);     ///< 100.64.0.2: source of what the job sends
    ip_address gateway_v6 = ip_address::v6({0xfd, 0, 0, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    ip_address job_v6 = ip_address::v6({0xfd, 0, 0, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2});
    friend bool operator==(const sealed_addresses&, const sealed_addresses&) = default;
};

const char* to_string(queue_encoding encoding) noexcept;

/// What the ruleset of a sealed namespace depends on.
struct sealed_options {
    sealed_addresses addresses;
    bool ipv6 = true; ///< false: the namespace has none, IPv6 rules are left out, IPv6 is refused
    capture_method capture = capture_method::tproxy;
    std::uint16_t stream_port = 1; ///< the gateway's TCP listeners; below `first_job_port`
    std::uint16_t name_port = 2;   ///< the gateway's DNS sockets; below `first_job_port`
    /// Lowest port that the job may bind. The gateway's ports lie below it, because a job has the caller's uid and could
    /// otherwise join the listeners' SO_REUSEPORT group; not 1024, because jobs that are root expect to bind port 80.
    std::uint16_t first_job_port = 16;
    std::vector<std::uint16_t> udp_ports; ///< of `udp://` entries: carried to a socket bound to that port; 53 is ignored
    std::uint16_t queues = 1;             ///< NFQUEUE queues 0 to this - 1; a packet goes to that of its CPU
    queue_encoding queueing = queue_encoding::native;
    log_options log;
    friend bool operator==(const sealed_options&, const sealed_options&) = default;
};

/// The rules of a sealed namespace, in which every address is local (AnyIP):
/// - UDP that may be DNS is queued first, every datagram of it: to port 53, to a port of `udp_ports` (a segmented send shows the
/// rules its
///   first datagram only), and to any other port if it looks like a query. Without a reader it is dropped;
/// - UDP to port 53 of any address is then the gateway's DNS socket's, TCP to any address its listeners';
/// - the job's own servers on 127.0.0.0/8, ::1 and the job addresses are reached as ever;
/// - UDP to a port of `udp_ports` is delivered as it is (the gateway's socket is bound to that port);
/// - everything else (other UDP, ICMP echo, UDP-Lite, SCTP, multicast, the gateway's own ports, packets with somebody
///   else's source address) is logged to the group, counted, and refused at once.
/// The filter chain's policy is drop, so what no rule names is refused too.
ruleset sealed_ruleset(const sealed_options& options);

} // namespace cofferdam::nft
