#pragma once

#include "nft/io/gateway_sockets.hpp"
#include "nft/io/netlink.hpp"
#include "nft/router_ruleset.hpp"
#include "nft/ruleset_identity.hpp"

#include <functional>
#include <vector>

namespace cofferdam::nft {

/// The sockets of a gateway that captures in its own network namespace. Non-blocking, close-on-exec; those of IPv6 are v6-only,
/// and empty where the machine has no IPv6.
struct capture_sockets {
    std::vector<descriptor> streams_v4, streams_v6; ///< TCP listeners on every address, one for each worker
    descriptor names_udp_v4, names_udp_v6;          ///< DNS, bound
    descriptor names_tcp_v4, names_tcp_v6;          ///< DNS, listening
    descriptor log;                                 ///< of the log group: each datagram goes to decode_log()
    std::vector<descriptor> queues;                 ///< number n is bound to queue first_queue + n
    descriptor answers_v4, answers_v6;              ///< raw, marked, for send_packet()
};

/// One TCP listener for each of so many workers. `exclusive`: all are the same socket, so that nobody else can bind one of his
/// own beside them, as any process of the same user may beside sockets that share a port (SO_REUSEPORT), which wake one worker
/// only. Throws sealed_network_error.
std::vector<descriptor> listen_for(const gateway_sockets& make, const ip_endpoint& at, unsigned workers, bool exclusive);

/// Binds all of them. Needs CAP_NET_ADMIN and CAP_NET_RAW. `shared`: see gateway_sockets::stream_listener; a must for more than
/// one listener. Throws sealed_network_error.
capture_sockets open_capture_sockets(const router_options& rules, const socket_sizes& sizes, unsigned listeners,
                                     bool shared = true);

/// Puts the ruleset in the place of any of its name, all at once. Where the kernel has no queue expression, the NFQUEUE target is
/// tried: `make` gives the rules with either; returns which it is. Throws sealed_network_error; nothing has changed then.
queue_encoding install_ruleset(netlink_socket& netfilter, const std::function<ruleset(queue_encoding)>& make);

/// Gives the chains of our table, which stands, new rules, all at once: nothing else of it changes, and no packet meets a chain
/// that is being made. Throws sealed_network_error; nothing has changed then.
void replace_rules(netlink_socket& netfilter, const std::vector<chain>& chains);

/// What our table is in the kernel just now; that of no table, where there is none. errc::need_more if others change rulesets all
/// the time.
result<ruleset_identity> read_identity(netlink_socket& netfilter);

/// Removes the table. False if there was none. Throws sealed_network_error.
bool remove_own_table(netlink_socket& netfilter);

/// The kernel's error for something that it does not have or was not built with.
bool is_unknown_to_kernel(const error_code& ec);

} // namespace cofferdam::nft
