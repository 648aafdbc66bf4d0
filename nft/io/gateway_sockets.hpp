#pragma once

#include "nft/io/descriptor.hpp"
#include "nft/packet_queue.hpp"
#include "nft/ruleset_parts.hpp"

#include <boost/system/system_error.hpp>
#include <string>

namespace cofferdam::nft {

/// What went wrong and with what: "cannot add 100.64.0.1 to lo: Operation not permitted".
using sealed_network_error = boost::system::system_error;

[[noreturn]] void throw_sealed(const error_code& ec, const std::string& what);

/// Sizes of the sockets through which a gateway sees captured traffic.
struct socket_sizes {
    int backlog = 16384;      ///< of each listener; net.core.somaxconn is raised to it in a sealed network
    int log_buffer = 8 << 20; ///< bytes wanted for the NFLOG socket; without privilege net.core.rmem_max caps it
    /// Bytes wanted for the receive buffer of each DNS UDP socket; capped like the log's. A burst lost there costs its client the
    /// five seconds of a stub resolver.
    int name_buffer = 4 << 20;
    queue_limits queue;         ///< of each queue
    int queue_buffer = 4 << 20; ///< bytes wanted for the receive buffer of each queue; capped like the log's
};

/// The sockets of a gateway in the network namespace of the calling thread, made one by one. All are non-blocking and
/// close-on-exec, and accept for, or send from, any address (IP_TRANSPARENT); those of IPv6 are v6-only. Each throws
/// sealed_network_error with what it was about to do.
class gateway_sockets {
public:
    explicit gateway_sockets(const socket_sizes& sizes) : sizes_(sizes) {}

    /// `shared`: more sockets of this user may listen there (SO_REUSEPORT).
    descriptor stream_listener(const ip_endpoint& at, bool shared) const;
    descriptor name_socket(const ip_endpoint& at) const;
    descriptor relay_socket(std::uint16_t port, bool v6) const;
    /// Bound to the group: each datagram goes to decode_log().
    descriptor log_socket(const log_options& log) const;
    descriptor diagnostics_socket() const;
    descriptor queue_socket(std::uint16_t number) const;
    /// Raw, for send_packet(). What it sends carries `mark` (0: none).
    descriptor answer_socket(bool v6, std::uint32_t mark = 0) const;

private:
    const socket_sizes& sizes_;
};

} // namespace cofferdam::nft
