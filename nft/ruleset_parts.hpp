#pragma once

#include "nft/ruleset.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cofferdam::nft {

/// What the rulesets of the sealed network and of the router have in common.

inline constexpr std::uint16_t dns_port = 53;

/// Table of either ruleset and prefix of its NFLOG messages.
inline constexpr const char* own_table = "cofferdam";
inline constexpr const char* refused_prefix = "refused";
/// Of packets whose source is not of the interface that they came by. They get no answer.
inline constexpr const char* foreign_prefix = "foreign source";
inline constexpr const char* refuse_chain = "refuse";
inline constexpr const char* foreign_chain = "foreign";

/// Refused packets: the NFLOG group they are copied to, and how much of each (headers, and a DNS question).
struct log_options {
    std::uint16_t group = 1;
    std::uint32_t snaplen = 320;
    friend bool operator==(const log_options&, const log_options&) = default;
};

verdict accept();
verdict go_to(std::string chain);
ip_prefix host_prefix(const ip_address& address); ///< of that address alone
match_address to(const ip_prefix& prefix, bool negated = false);
match_address from(const ip_prefix& prefix);
match_port to_port(std::uint8_t transport, std::uint16_t port);

/// For a mark that exempts packets. 0 is every packet's that has none: to exempt it is to exempt all, so the process is ended.
match_mark own_packets(std::uint32_t mark);

/// Sorted, each once, without port 53, which is the resolver's.
std::vector<std::uint16_t> relayed_ports(std::vector<std::uint16_t> ports);

/// UDP that may be DNS waits for the gateway's verdict: every datagram to port 53 and to the relayed ports (a segmented send
/// shows the rules its first datagram only), and to any other port what begins like a query. Names of the local link (mDNS,
/// LLMNR, NetBIOS) are left to later chains, which refuse them as what they are. Behind a match of UDP.
std::vector<rule> queue_rules(const queue& ask, const std::vector<std::uint16_t>& relayed);

/// Logs to the group, counts, and refuses at once whatever comes here.
chain refused_chain(const log_options& log);

/// Logs to the group, counts, and drops whatever comes here: an answer would go to a stranger.
chain foreign_source_chain(const log_options& log);

/// Nothing is forwarded, and that is told: foreign sources go to their chain, the rest is refused.
chain forwarded_chain();

/// Flows that a rule of ours redirected: TCP to `stream_port`, DNS to `name_port`. Other destination NAT, of other tables or of
/// connection tracking's helpers, leads elsewhere: away from this machine, or to ports of it that are none of a client's
/// business.
std::vector<rule> redirected_to_us(std::uint16_t stream_port, std::uint16_t name_port);

} // namespace cofferdam::nft
