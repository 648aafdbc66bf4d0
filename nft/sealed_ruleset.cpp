#include "nft/sealed_ruleset.hpp"

#include <algorithm>

namespace cofferdam::nft {
namespace {

const verdict return_to_caller{verdict_code::return_to_caller, {}};

/// What differs between the two families.
struct side {
    protocol_family family;
    ip_address gateway, job;
    ip_prefix loopback;
};

std::vector<side> sides(const sealed_options& options)
{
    const auto& a = options.addresses;
    std::vector<side> out{{protocol_family::ipv4, a.gateway_v4, a.job_v4, {ip_address::v4(0x7F000000U), 8}}};
    const auto v6_loopback = ip_address::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    if (options.ipv6) out.push_back({protocol_family::ipv6, a.gateway_v6, a.job_v6, host_prefix(v6_loopback)});
    return out;
}

/// TCP has no use for connection tracking when it is not translated: no lookup a packet, no table to fill. Nor has UDP among the
/// job's own addresses, but for the answers of the gateway's DNS sockets, whose source is translated back. A refusal that the
/// gateway sends to a client in the name of the server that was asked must not be tracked: the next query would pass for an
/// answer to it.
chain untracked_chain(const sealed_options& options)
{
    chain out{"untracked", chain_base{chain_kind::filter, chain_hook::output, priority::raw, chain_policy::accept}, {}};
    if (options.capture == capture_method::tproxy) out.rules.push_back({match_protocol{protocol::tcp}, notrack{}});
    const match_port others{protocol::udp, packet_end::source, options.name_port, true};
    for (const auto& s : sides(options))
        for (const auto& own : {s.loopback, host_prefix(s.job)}) out.rules.push_back({to(own), others, notrack{}});
    return out;
}

/// UDP that may be DNS waits for the gateway's verdict, before it is translated and after it was defragmented: `dnat` below keeps
/// connection tracking in force, and with it defragmentation, so no fragment is seen here.
chain queued_chain(const sealed_options& options)
{
    chain out{
        "queued", chain_base{chain_kind::filter, chain_hook::output, priority::before_destination_nat, chain_policy::accept}, {}};
    const queue ask{0, options.queues, options.queues > 1, options.queueing};
    out.rules.push_back({match_protocol{protocol::udp, true}, accept()});
    out.rules.push_back(
        {match_port{protocol::udp, packet_end::source, options.name_port, false}, accept()}); // the gateway's answers
    for (const auto& s : sides(options))
        for (const auto& own : {s.loopback, host_prefix(s.job)}) out.rules.push_back({to(own), accept()});
    for (auto& r : queue_rules(ask, relayed_ports(options.udp_ports))) out.rules.push_back(std::move(r));
    return out;
}

/// Destination NAT: DNS over UDP always (an answer must come from the address that was asked, port 53 included), TCP where
/// tproxy is missing.
chain translated_chain(const sealed_options& options)
{
    chain out{"translated", chain_base{chain_kind::nat, chain_hook::output, priority::destination_nat, chain_policy::accept}, {}};
    const bool streams = options.capture == capture_method::redirect;
    for (const auto& s : sides(options)) {
        out.rules.push_back({to(s.loopback), return_to_caller});
        out.rules.push_back({to(host_prefix(s.job)), return_to_caller});
        const ip_endpoint names{s.gateway, options.name_port};
        out.rules.push_back({match_family{s.family}, to_port(protocol::udp, dns_port), dnat{names}});
        if (!streams) continue;
        out.rules.push_back({match_family{s.family}, to_port(protocol::tcp, dns_port), dnat{names}});
        out.rules.push_back({to(host_prefix(s.gateway)), return_to_caller});
        out.rules.push_back({match_family{s.family}, match_protocol{protocol::tcp}, dnat{{s.gateway, options.stream_port}}});
    }
    return out;
}

/// TCP to the transparent listeners. A packet left over finds no listener: the gateway is gone, so it is reset here, before a
/// server of the job's own that listens on the same port could take it for its own.
chain streams_chain(const sealed_options& options)
{
    chain out{"streams", chain_base{chain_kind::filter, chain_hook::prerouting, priority::mangle, chain_policy::accept}, {}};
    out.rules.push_back({match_protocol{protocol::tcp, true}, accept()});
    out.rules.push_back({match_tcp_flags{tcp_flag_rst}, accept()});
    for (const auto& s : sides(options)) {
        out.rules.push_back({to(s.loopback), accept()});
        out.rules.push_back({to(host_prefix(s.job)), accept()});
    }
    for (const auto& s : sides(options)) {
        const ip_endpoint names{s.gateway, options.name_port};
        const ip_endpoint streams{s.gateway, options.stream_port};
        out.rules.push_back({match_family{s.family}, to_port(protocol::tcp, dns_port), tproxy{names}, accept()});
        out.rules.push_back({match_family{s.family}, match_protocol{protocol::tcp}, tproxy{streams}, accept()});
    }
    out.rules.push_back({match_protocol{protocol::tcp}, reject{refusal::tcp_reset}});
    return out;
}

void add_accepts(const sealed_options& options, const side& s, std::vector<rule>& rules)
{
    const auto gateway = host_prefix(s.gateway);
    const auto job = from(host_prefix(s.job));
    const auto ports = relayed_ports(options.udp_ports);
    // The relay's sockets are bound to these ports at every address, so loopback would reach them too.
    for (const auto port : ports)
        for (const auto& own : {s.loopback, host_prefix(s.job), gateway})
            rules.push_back({to(own), to_port(protocol::udp, port), go_to(refuse_chain)});
    rules.push_back({to(s.loopback), accept()});
    rules.push_back({to(host_prefix(s.job)), accept()});
    if (options.capture == capture_method::tproxy) {
        rules.push_back({job, to(gateway), to_port(protocol::tcp, dns_port), accept()});
        rules.push_back({job, to(gateway, true), match_protocol{protocol::tcp}, accept()});
    }
    for (const auto port : ports) rules.push_back({job, to_port(protocol::udp, port), accept()});
    // Errors that the kernel itself answers with; the job has no way to send them (a ping socket sends echo requests only).
    rules.push_back({match_unreachable{s.family}, accept()});
}

chain judged_chain(const sealed_options& options)
{
    chain out{"judged", chain_base{chain_kind::filter, chain_hook::output, priority::filter, chain_policy::drop}, {}};
    for (const auto& s : sides(options)) add_accepts(options, s, out.rules);
    out.rules.push_back({match_dnat_status{}, accept()});
    // The kernel's answers to what was refused below, and those of a dead gateway's ports.
    out.rules.push_back({match_tcp_flags{tcp_flag_rst}, accept()});
    out.rules.push_back({go_to(refuse_chain)});
    return out;
}

} // namespace

const char* to_string(capture_method method) noexcept
{
    return method == capture_method::tproxy ? "tproxy" : "redirect";
}

const char* to_string(queue_encoding encoding) noexcept
{
    return encoding == queue_encoding::native ? "queue" : "NFQUEUE";
}

ruleset sealed_ruleset(const sealed_options& options)
{
    ruleset out{own_table, {}};
    out.chains.push_back(untracked_chain(options));
    if (options.capture == capture_method::tproxy) out.chains.push_back(streams_chain(options));
    out.chains.push_back(queued_chain(options));
    out.chains.push_back(translated_chain(options));
    out.chains.push_back(refused_chain(options.log));
    out.chains.push_back(judged_chain(options));
    return out;
}

} // namespace cofferdam::nft
