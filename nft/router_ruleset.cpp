#include "nft/router_ruleset.hpp"

namespace cofferdam::nft {
namespace {

const std::string asked_chain = "asked", captured_chain = "captured", judged_chain = "judged";

const verdict drop{verdict_code::drop, {}};

/// `match` once for each way in.
std::vector<rule> for_captured(const router_options& options, const rule& match)
{
    std::vector<match_interface> ways;
    for (const auto& name : options.interfaces) ways.push_back({packet_end::source, name, false});
    if (ways.empty()) ways.push_back({packet_end::source, "lo", true});
    std::vector<rule> out;
    for (const auto& way : ways) {
        rule each{way};
        each.insert(each.end(), match.begin(), match.end());
        out.push_back(std::move(each));
    }
    return out;
}

/// First of all: a source that is not of the interface would have the gateway's answers, errors among them, sent to whomever it
/// names. Before connection tracking, without an answer.
chain proven(const router_options& options)
{
    chain out{"proven", chain_base{chain_kind::filter, chain_hook::prerouting, priority::raw, chain_policy::accept}, {}};
    // A host without an address yet, which asks whether one is free: answered on that link, to all of its nodes.
    const match_address unspecified = from(host_prefix(ip_address::v6({})));
    for (auto& r : for_captured(options, {unspecified, match_icmpv6_type{icmpv6_type::neighbour_solicit}, accept()}))
        out.rules.push_back(std::move(r));
    for (auto& r : for_captured(options, {match_foreign_source{}, go_to(foreign_chain)})) out.rules.push_back(std::move(r));
    return out;
}

/// `match` for packets of which that end is neither a captured interface nor lo. None where all are captured.
std::vector<rule> for_others(packet_end end, const router_options& options, const rule& match)
{
    if (options.interfaces.empty()) return {};
    rule out{match_interface{end, "lo", true}};
    for (const auto& name : options.interfaces) out.push_back(match_interface{end, name, true});
    out.insert(out.end(), match.begin(), match.end());
    return {std::move(out)};
}

/// The second wall: what answers a client leaves by no other way than clients come.
chain answered(const router_options& options)
{
    chain out{"answered", chain_base{chain_kind::filter, chain_hook::output, priority::filter, chain_policy::accept}, {}};
    for (const auto& match : {rule{own_packets(options.answer_mark), go_to(foreign_chain)},
                              rule{match_dnat_status{}, match_reply{}, go_to(foreign_chain)}})
        for (auto& r : for_others(packet_end::destination, options, match)) out.rules.push_back(std::move(r));
    return out;
}

/// A refusal in the name of the server that was asked must not be tracked: the client's next query would pass for an answer to
/// it, and would not be redirected.
chain untracked(const router_options& options)
{
    return {"untracked",
            chain_base{chain_kind::filter, chain_hook::output, priority::raw, chain_policy::accept},
            {{own_packets(options.answer_mark), notrack{}}}};
}

chain queued(const router_options& options)
{
    return {"queued",
            chain_base{chain_kind::filter, chain_hook::prerouting, priority::before_destination_nat, chain_policy::accept},
            for_captured(options, {match_protocol{protocol::udp}, go_to(asked_chain)})};
}

chain asked(const router_options& options)
{
    const queue ask{options.first_queue, options.queues, options.queues > 1, options.queueing};
    return {asked_chain, std::nullopt, queue_rules(ask, relayed_ports(options.udp_ports))};
}

std::vector<rule> service_rules(const router_options& options)
{
    std::vector<rule> out;
    for (const auto port : options.services) out.push_back({match_local_destination{}, to_port(protocol::tcp, port), accept()});
    return out;
}

chain captured(const router_options& options)
{
    chain out{captured_chain, std::nullopt, service_rules(options)};
    out.rules.push_back({to_port(protocol::udp, dns_port), redirect{options.name_port}});
    out.rules.push_back({to_port(protocol::tcp, dns_port), redirect{options.name_port}});
    out.rules.push_back({match_protocol{protocol::tcp}, redirect{options.stream_port}});
    return out;
}

chain translated(const router_options& options)
{
    return {"translated", chain_base{chain_kind::nat, chain_hook::prerouting, priority::destination_nat, chain_policy::accept},
            for_captured(options, {go_to(captured_chain)})};
}

chain judged(const router_options& options)
{
    chain out{judged_chain, std::nullopt, redirected_to_us(options.stream_port, options.name_port)};
    // Errors that a client can make up: of a refusal that it no longer waits for, or about other people's connections. Where all
    // interfaces are captured, those of the gateway's own connections come by here too.
    if (options.interfaces.empty()) out.rules.push_back({match_reply{}, accept()});
    for (const auto family : {protocol_family::ipv4, protocol_family::ipv6})
        out.rules.push_back({match_unreachable{family}, drop});
    if (!options.interfaces.empty()) out.rules.push_back({match_reply{}, accept()});
    for (auto& r : service_rules(options)) out.rules.push_back(std::move(r));
    // Without them no neighbour is found. Router advertisements and redirects are nobody's but the administrator's.
    for (const auto type : {icmpv6_type::neighbour_solicit, icmpv6_type::neighbour_advert})
        out.rules.push_back({match_icmpv6_type{type}, accept()});
    // What every host sends of itself and no router passes on.
    out.rules.push_back({match_protocol{protocol::igmp}, drop});
    for (const auto type : {icmpv6_type::listener_query, icmpv6_type::router_solicit, icmpv6_type::listener_report})
        out.rules.push_back({match_icmpv6_type{type}, drop});
    out.rules.push_back({match_tcp_flags{tcp_flag_rst}, drop}); // of connections that are no longer known
    out.rules.push_back({go_to(refuse_chain)});
    return out;
}

chain refused_here(const router_options& options)
{
    return {"arrived",
            chain_base{chain_kind::filter, chain_hook::prerouting, priority::after_destination_nat, chain_policy::accept},
            for_captured(options, {go_to(judged_chain)})};
}

/// From elsewhere nothing is redirected, so whoever knocks at these ports dialled them.
chain guarded(const router_options& options)
{
    chain out{"guarded", chain_base{chain_kind::filter, chain_hook::input, priority::filter, chain_policy::accept}, {}};
    out.rules.push_back({match_dnat_status{}, accept()});
    out.rules.push_back({match_interface{packet_end::source, "lo"}, accept()});
    for (const auto& port : {to_port(protocol::tcp, options.stream_port), to_port(protocol::tcp, options.name_port),
                             to_port(protocol::udp, options.name_port)})
        out.rules.push_back({port, go_to(refuse_chain)});
    // What clients may reach, nobody else may.
    for (const auto port : options.services)
        for (auto& r : for_others(packet_end::source, options, {to_port(protocol::tcp, port), go_to(refuse_chain)}))
            out.rules.push_back(std::move(r));
    return out;
}

} // namespace

ruleset router_ruleset(const router_options& options)
{
    return {own_table,
            {proven(options), foreign_source_chain(options.log), answered(options), untracked(options), asked(options),
             queued(options), captured(options), translated(options), refused_chain(options.log), judged(options),
             refused_here(options), guarded(options), forwarded_chain()}};
}

} // namespace cofferdam::nft
