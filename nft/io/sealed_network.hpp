#pragma once

#include "nft/io/gateway_sockets.hpp"
#include "nft/sealed_ruleset.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace cofferdam::nft {

struct sealed_network_options : socket_sizes {
    sealed_options rules;
    unsigned listeners = 1; ///< per family; one for each worker of the gateway (SO_REUSEPORT), 1 to 64
};

/// A UDP socket of one port at every address. The destination that the job dialled comes with each datagram: see datagram.hpp.
struct udp_relay {
    std::uint16_t port = 0;
    descriptor v4, v6; ///< v6 is empty without IPv6
};

inline constexpr std::uint16_t queue_limit = 16; ///< more `rules.queues` are refused

/// The sockets made inside. A socket stays in its namespace whoever uses it. All are non-blocking and close-on-exec; those of
/// IPv6 are v6-only, and empty where the namespace has no IPv6.
struct sealed_descriptors {
    bool ipv6 = false;
    capture_method capture = capture_method::tproxy; ///< as the kernel let it be
    std::vector<descriptor> streams_v4, streams_v6;  ///< TCP listeners, listening
    descriptor names_udp_v4, names_udp_v6;           ///< DNS, bound
    descriptor names_tcp_v4, names_tcp_v6;           ///< DNS, listening
    std::vector<udp_relay> relays;                   ///< in the order of `udp_ports`
    /// NETLINK_NETFILTER, bound to the log group: each datagram goes to decode_log(). It never reports ENOBUFS; packets that
    /// found no room show as gaps in the sequence (log_sequence), exactly counted.
    descriptor log;
    descriptor diagnostics;                           ///< NETLINK_SOCK_DIAG, for process_finder
    queue_encoding queueing = queue_encoding::native; ///< as the kernel let it be
    std::vector<descriptor> queues;                   ///< NETLINK_NETFILTER, number n bound to queue n, for queue_reader
    descriptor answers_v4, answers_v6; ///< raw, for send_packet(): answers in the name of the server that was asked
};

/// Shape of a sealed_descriptors, for a process that receives the descriptors over a Unix socket. Trivially copyable.
struct sealed_layout {
    bool ipv6 = false;
    capture_method capture = capture_method::tproxy;
    queue_encoding queueing = queue_encoding::native;
    std::uint16_t queues = 0;
    std::uint16_t listeners = 0;
    std::uint16_t relay_count = 0;
    std::array<std::uint16_t, 32> relay_ports{};
};
inline constexpr std::size_t relay_limit = 32; ///< more udp_ports are refused

sealed_layout layout_of(const sealed_descriptors& sockets);
/// The numbers in the order that assemble() expects; the descriptors stay owned by `sockets`.
std::vector<int> numbers_of(const sealed_descriptors& sockets);
/// How many descriptors the layout takes: at most 2 * 64 + 8 + 2 * 32 + 16, under SCM_MAX_FD (253).
std::size_t count_of(const sealed_layout& layout);
/// Takes over the descriptors; errc::malformed (and they are closed) if there are more or fewer than the layout says.
result<sealed_descriptors> assemble(const sealed_layout& layout, std::span<const int> numbers);

/// Makes the network of a job. Call it in a thread that is alone in fresh user and network namespaces with CAP_NET_ADMIN and
/// CAP_NET_BIND_SERVICE and CAP_NET_RAW there (uid and gid maps are written, /proc is mounted), and before the job starts. Raises
/// lo, gives it the job's addresses and the AnyIP routes, sets the sysctls (ping sockets for all groups, so that an echo request
/// is refused and recorded and not just impossible; unprivileged ports from first_job_port on; somaxconn), loads the ruleset,
/// makes the sockets. The job itself must get none of these capabilities in that user namespace: not CAP_NET_ADMIN, CAP_NET_RAW,
/// CAP_NET_BIND_SERVICE or CAP_SYS_ADMIN.
/// Throws sealed_network_error, or std::invalid_argument if the options make no sense. The namespace is then of no use.
sealed_descriptors build_sealed_network(const sealed_network_options& options);

} // namespace cofferdam::nft
