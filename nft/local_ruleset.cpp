#include "nft/local_ruleset.hpp"

#include <algorithm>
#include <iterator>

namespace cofferdam::nft {
namespace {

const ip_prefix docker_resolver = host_prefix(ip_address::v4({127, 0, 0, 11}));

const match_interface to_loopback{packet_end::destination, "lo", false};

/// The gateway's own packets. Its answers go to clients, who are all here: elsewhere the mark is somebody else's.
std::vector<rule> exempt(const local_options& options)
{
    std::vector<rule> out;
    if (options.dials) out.push_back({own_packets(options.mark), accept()});
    out.push_back({to_loopback, own_packets(options.answer_mark), accept()});
    return out;
}

/// What the gateway begins is in a zone of its own: a client may have begun a flow with the same ends (its port is free when its
/// socket is closed, and the flow remembered for up to two minutes), and a query of the gateway would be redirected as that was.
/// Needs CONFIG_NF_CONNTRACK_ZONES.
chain tracked(const local_options& options)
{
    constexpr std::uint16_t own_zone = 0xC0F;
    chain out{"tracked", chain_base{chain_kind::filter, chain_hook::output, priority::raw, chain_policy::accept}, {}};
    out.rules.push_back({to_loopback, own_packets(options.answer_mark), notrack{}});
    if (options.dials) out.rules.push_back({own_packets(options.mark), set_flow_zone{own_zone}});
    return out;
}

constexpr const char* group_chain = "grouped";

/// The kernel knows whose socket sends, so nothing that a client does later changes whose it is. Of a connection the SYN is
/// enough: the flow keeps the mark.
chain attributed(const local_options& options)
{
    chain out{"attributed", chain_base{chain_kind::filter, chain_hook::output, priority::mangle, chain_policy::accept}, {}};
    if (options.groups.empty()) return out;
    out.rules = exempt(options);
    out.rules.push_back({match_protocol{protocol::tcp}, match_reply{}, accept()});
    out.rules.push_back({match_tcp_flags{tcp_flag_syn}, go_to(group_chain)});
    out.rules.push_back({match_protocol{protocol::tcp}, accept()});
    out.rules.push_back({go_to(group_chain)});
    return out;
}

chain grouped(const local_options& options)
{
    auto groups = options.groups;
    std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.group.level > b.group.level; });
    chain out{group_chain, std::nullopt, {}};
    for (const auto& each : groups)
        out.rules.push_back({each.group, set_mark{mark_of::packet, each.mark}, set_mark{mark_of::flow, each.mark}, accept()});
    // Of no group. The flow may be a closed one of somebody else's with the same ends, which the kernel takes up again.
    if (!groups.empty()) out.rules.push_back({set_mark{mark_of::flow, 0}});
    return out;
}

chain queued(const local_options& options)
{
    chain out{"queued",
              chain_base{chain_kind::filter, chain_hook::output, priority::before_destination_nat, chain_policy::accept},
              exempt(options)};
    const queue ask{options.first_queue, options.queues, options.queues > 1, options.queueing};
    out.rules.push_back({match_protocol{protocol::udp, true}, accept()});
    // A forwarder there asks the world, at whatever port it listens.
    out.rules.push_back({to_loopback, to_port(protocol::udp, dns_port), ask});
    out.rules.push_back({to_loopback, match_protocol{protocol::udp}, match_query_shape{}, ask});
    out.rules.push_back({to_loopback, accept()});
    for (auto& r : queue_rules(ask, relayed_ports(options.udp_ports))) out.rules.push_back(std::move(r));
    return out;
}

/// Before other NAT of the namespace: a container engine's own resolver on loopback is reached by a rule of its own.
chain translated(const local_options& options)
{
    chain out{"translated", chain_base{chain_kind::nat, chain_hook::output, priority::before_other_nat, chain_policy::accept},
              exempt(options)};
    out.rules.push_back({to_port(protocol::udp, dns_port), redirect{options.name_port}});
    out.rules.push_back({to_port(protocol::tcp, dns_port), redirect{options.name_port}});
    out.rules.push_back({to_loopback, accept()});
    out.rules.push_back({match_protocol{protocol::tcp}, redirect{options.stream_port}});
    return out;
}

/// What the kernel sends for connections of the gateway, and of those who knock from outside. It may carry more than the kernel
/// would put in: CAP_NET_RAW is enough to send it.
void add_own_needs(std::vector<rule>& rules)
{
    for (const auto type : {icmpv6_type::neighbour_solicit, icmpv6_type::neighbour_advert})
        rules.push_back({match_icmpv6_type{type}, accept()});
    for (const auto family : {protocol_family::ipv4, protocol_family::ipv6})
        rules.push_back({match_unreachable{family}, accept()});
    rules.push_back({match_tcp_flags{tcp_flag_rst}, accept()});
}

chain judged(const local_options& options)
{
    chain out{"judged", chain_base{chain_kind::filter, chain_hook::output, priority::filter, chain_policy::drop}, {}};
    if (options.dials) out.rules.push_back({own_packets(options.mark), accept()});
    for (auto& r : redirected_to_us(options.stream_port, options.name_port)) out.rules.push_back(std::move(r));
    // Of connections from outside. Any other would be a way out, for whoever knocks at a client's socket.
    for (const auto port : options.services)
        out.rules.push_back({match_port{protocol::tcp, packet_end::source, port}, match_reply{}, accept()});
    // dockerd listens there, at a port of its choice, and asks from outside of this namespace.
    out.rules.push_back({to(docker_resolver), go_to(refuse_chain)});
    out.rules.push_back({to_loopback, accept()});
    if (options.dials) add_own_needs(out.rules);
    const verdict drop{verdict_code::drop, {}};
    out.rules.push_back({match_protocol{protocol::igmp}, drop});
    for (const auto type : {icmpv6_type::router_solicit, icmpv6_type::listener_report, icmpv6_type::neighbour_solicit,
                            icmpv6_type::neighbour_advert})
        out.rules.push_back({match_icmpv6_type{type}, drop});
    out.rules.push_back({go_to(refuse_chain)});
    return out;
}

/// From elsewhere nothing is redirected, so whoever knocks at these ports dialled them.
chain guarded(const local_options& options)
{
    chain out{"guarded", chain_base{chain_kind::filter, chain_hook::input, priority::filter, chain_policy::accept}, {}};
    out.rules.push_back({match_interface{packet_end::source, "lo"}, accept()});
    for (const auto& port : {to_port(protocol::tcp, options.stream_port), to_port(protocol::tcp, options.name_port),
                             to_port(protocol::udp, options.name_port)})
        out.rules.push_back({port, go_to(refuse_chain)});
    return out;
}

} // namespace

ruleset local_ruleset(const local_options& options)
{
    auto groups = group_chains(options);
    ruleset out{own_table,
                {tracked(options), queued(options), translated(options), refused_chain(options.log),
                 foreign_source_chain(options.log), judged(options), guarded(options), forwarded_chain()}};
    std::move(groups.begin(), groups.end(), std::back_inserter(out.chains));
    return out;
}

std::vector<chain> group_chains(const local_options& options)
{
    return {grouped(options), attributed(options)};
}

} // namespace cofferdam::nft
