#pragma once

#include "core/ip.hpp"

#include <cstdint>
#include <string>
#include <variant>

namespace cofferdam::nft {

/// The parts of a rule, as values: what nft(8) calls matches and statements. Each holds only what it means; what the
/// kernel needs besides (registers, dependencies on family and transport protocol) is added by the encoder, once a rule.

/// NFPROTO_* numbers.
enum class protocol_family : std::uint8_t { ipv4 = 2, ipv6 = 10 };

/// IANA protocol numbers that rules and records know by name.
namespace protocol {
inline constexpr std::uint8_t icmp = 1;
inline constexpr std::uint8_t igmp = 2;
inline constexpr std::uint8_t tcp = 6;
inline constexpr std::uint8_t udp = 17;
inline constexpr std::uint8_t icmpv6 = 58;
} // namespace protocol

enum class packet_end : std::uint8_t { source, destination };

/// `meta nfproto ipv4`
struct match_family {
    protocol_family family{};
    friend bool operator==(const match_family&, const match_family&) = default;
};

/// `meta l4proto tcp`, `meta l4proto != tcp`
struct match_protocol {
    std::uint8_t number = 0;
    bool negated = false;
    friend bool operator==(const match_protocol&, const match_protocol&) = default;
};

/// `iifname "lo"`, `oifname "br-*"`: the source end is the incoming interface.
struct match_interface {
    packet_end end{};
    std::string name; ///< at most 15 bytes (IFNAMSIZ), the encoder refuses more; with a star at its end: all that begin so
    bool negated = false;
    friend bool operator==(const match_interface&, const match_interface&) = default;
};

/// `ip daddr 10.0.0.0/8`, `ip6 saddr != fd00::1`. Implies the family, also when negated.
struct match_address {
    packet_end end{};
    ip_prefix prefix;
    bool negated = false;
    friend bool operator==(const match_address&, const match_address&) = default;
};

/// `tcp dport 53`. Implies the protocol, also when negated.
struct match_port {
    std::uint8_t transport = protocol::tcp; ///< tcp or udp
    packet_end end = packet_end::destination;
    std::uint16_t port = 0;
    bool negated = false;
    friend bool operator==(const match_port&, const match_port&) = default;
};

/// `tcp flags rst`: any of the bits is set.
struct match_tcp_flags {
    std::uint8_t any_of = 0;
    friend bool operator==(const match_tcp_flags&, const match_tcp_flags&) = default;
};
inline constexpr std::uint8_t tcp_flag_syn = 0x02;
inline constexpr std::uint8_t tcp_flag_rst = 0x04;

/// `icmp type destination-unreachable`, `icmpv6 type destination-unreachable`: the errors that the kernel makes for a refused
/// packet (types 3 and 1). Implies family and protocol.
struct match_unreachable {
    protocol_family family{};
    friend bool operator==(const match_unreachable&, const match_unreachable&) = default;
};

/// `icmpv6 type 135`: implies family and protocol.
struct match_icmpv6_type {
    std::uint8_t type = 0;
    friend bool operator==(const match_icmpv6_type&, const match_icmpv6_type&) = default;
};
namespace icmpv6_type {
inline constexpr std::uint8_t listener_query = 130; ///< RFC 2710
inline constexpr std::uint8_t router_solicit = 133; ///< RFC 4861
inline constexpr std::uint8_t neighbour_solicit = 135;
inline constexpr std::uint8_t neighbour_advert = 136;
inline constexpr std::uint8_t listener_report = 143; ///< RFC 3810
} // namespace icmpv6_type

/// `fib daddr type local`: the destination is an address of this machine.
struct match_local_destination {
    friend bool operator==(const match_local_destination&, const match_local_destination&) = default;
};

/// `fib saddr . iif oif missing`: answers to the source would not leave by the interface that the packet came in by (RFC 3704,
/// strict reverse path).
struct match_foreign_source {
    friend bool operator==(const match_foreign_source&, const match_foreign_source&) = default;
};

/// `ct status dnat`: this flow's destination was changed by a dnat or redirect rule.
struct match_dnat_status {
    friend bool operator==(const match_dnat_status&, const match_dnat_status&) = default;
};

/// `ct direction reply`
struct match_reply {
    friend bool operator==(const match_reply&, const match_reply&) = default;
};

/// The UDP payload begins like a DNS query (has_query_shape): `@th,80,8 & 0xf8 == 0x0 @th,96,48 0x100000000`. Stands behind
/// a match of UDP.
struct match_query_shape {
    friend bool operator==(const match_query_shape&, const match_query_shape&) = default;
};

enum class mark_of : std::uint8_t { packet, flow, socket };

/// `meta mark 0x7`, `ct mark 0x7`, `socket mark 0x7`
struct match_mark {
    mark_of what{};
    std::uint32_t value = 0;
    friend bool operator==(const match_mark&, const match_mark&) = default;
};

/// `socket cgroupv2 level 2 "ci/job-7"`: the sending socket was made in this control group (v2), or in one below it. A socket
/// keeps the group that its maker was in then. Ids are never used again, so a group that is gone matches its own sockets only.
struct match_control_group {
    std::uint32_t level = 0; ///< below the root of the hierarchy, which is 0
    std::uint64_t id = 0;    ///< inode number of its directory
    std::string path;        ///< for the listing
    friend bool operator==(const match_control_group&, const match_control_group&) = default;
};

/// `meta mark set 0x7`, `ct mark set 0x7`. Not of a socket: errc::unsupported.
struct set_mark {
    mark_of what{};
    std::uint32_t value = 0;
    friend bool operator==(const set_mark&, const set_mark&) = default;
};

/// `ct original zone set 7`, before tracking (linux/netfilter/nf_tables.h, NFT_CT_ZONE with a direction): what this packet begins
/// is told from flows of other zones with the same ends, and is not translated as they were. Its answers are looked for as all
/// are.
struct set_flow_zone {
    std::uint16_t zone = 0;
    friend bool operator==(const set_flow_zone&, const set_flow_zone&) = default;
};

/// `counter`; the initial values are part of the printed form only.
struct counter {
    friend bool operator==(const counter&, const counter&) = default;
};

/// `log group N`: a copy of the packet to the NFLOG netlink group of this network namespace.
struct log_packet {
    std::uint16_t group = 0;
    std::string prefix;
    std::uint32_t snaplen = 0; ///< bytes of the packet that are copied; 0 is nft's default (all)
    friend bool operator==(const log_packet&, const log_packet&) = default;
};

/// `reject with …`: the answer that makes the sender fail at once instead of timing out.
enum class refusal : std::uint8_t { tcp_reset, port_unreachable, admin_prohibited };
struct reject {
    refusal with{};
    friend bool operator==(const reject&, const reject&) = default;
};

/// `dnat ip to A:P`, `dnat ip6 to [A]:P`
struct dnat {
    ip_endpoint to;
    friend bool operator==(const dnat&, const dnat&) = default;
};

/// `redirect to :P`
struct redirect {
    std::uint16_t port = 0;
    friend bool operator==(const redirect&, const redirect&) = default;
};

/// `tproxy ip to A:P`: the packet goes to that transparent listener with its destination unchanged. Breaks off the
/// rule (the next one is tried) when nobody listens there.
struct tproxy {
    ip_endpoint to;
    friend bool operator==(const tproxy&, const tproxy&) = default;
};

/// `notrack`
struct notrack {
    friend bool operator==(const notrack&, const notrack&) = default;
};

/// `queue to 0-3`, in one of two encodings that do the same. Never `bypass`: without a reader packets are dropped.
enum class queue_encoding : std::uint8_t {
    native, ///< the nft expression "queue"
    target, ///< the xtables target NFQUEUE, revision 3, for kernels without CONFIG_NFT_QUEUE; nft may be unable to list it
};
struct queue {
    std::uint16_t first = 0;
    std::uint16_t total = 1;
    bool by_cpu = false; ///< `flags fanout`
    queue_encoding encoding = queue_encoding::native;
    friend bool operator==(const queue&, const queue&) = default;
};

enum class verdict_code : std::uint8_t { accept, drop, return_to_caller, jump, go_to };
struct verdict {
    verdict_code code{};
    std::string chain; ///< of jump and go_to
    friend bool operator==(const verdict&, const verdict&) = default;
};

using expression = std::variant<match_family, match_protocol, match_interface, match_address, match_port, match_tcp_flags,
                                match_unreachable, match_icmpv6_type, match_local_destination, match_foreign_source,
                                match_dnat_status, match_reply, match_query_shape, match_mark, match_control_group, set_mark,
                                set_flow_zone, counter, log_packet, reject, dnat, redirect, tproxy, notrack, queue, verdict>;

} // namespace cofferdam::nft
