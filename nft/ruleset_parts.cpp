#include "nft/ruleset_parts.hpp"

#include <algorithm>
#include <cstdlib>

namespace cofferdam::nft {

verdict accept()
{
    return {verdict_code::accept, {}};
}

verdict go_to(std::string chain)
{
    return {verdict_code::go_to, std::move(chain)};
}

ip_prefix host_prefix(const ip_address& address)
{
    return {address, address.is_v4() ? 32U : 128U};
}

match_address to(const ip_prefix& prefix, bool negated)
{
    return {packet_end::destination, prefix, negated};
}

match_address from(const ip_prefix& prefix)
{
    return {packet_end::source, prefix, false};
}

match_port to_port(std::uint8_t transport, std::uint16_t port)
{
    return {transport, packet_end::destination, port, false};
}

match_mark own_packets(std::uint32_t mark)
{
    if (mark == 0) std::abort();
    return {mark_of::packet, mark};
}

std::vector<std::uint16_t> relayed_ports(std::vector<std::uint16_t> ports)
{
    std::erase(ports, dns_port);
    std::sort(ports.begin(), ports.end());
    ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
    return ports;
}

std::vector<rule> queue_rules(const queue& ask, const std::vector<std::uint16_t>& relayed)
{
    constexpr std::uint16_t mdns = 5353, llmnr = 5355, netbios = 137;
    std::vector<rule> out{{to_port(protocol::udp, dns_port), ask}};
    for (const auto port : relayed) out.push_back({to_port(protocol::udp, port), ask});
    for (const auto port : {netbios, mdns, llmnr}) out.push_back({to_port(protocol::udp, port), accept()});
    out.push_back({match_protocol{protocol::udp}, match_query_shape{}, ask});
    return out;
}

chain refused_chain(const log_options& log)
{
    chain out{refuse_chain, std::nullopt, {}};
    out.rules = {
        {log_packet{log.group, refused_prefix, log.snaplen}},
        {counter{}},
        {match_protocol{protocol::udp}, reject{refusal::port_unreachable}},
        {match_protocol{protocol::tcp}, reject{refusal::tcp_reset}},
        {reject{refusal::admin_prohibited}},
    };
    return out;
}

chain foreign_source_chain(const log_options& log)
{
    return {foreign_chain,
            std::nullopt,
            {{log_packet{log.group, foreign_prefix, log.snaplen}}, {counter{}}, {verdict{verdict_code::drop, {}}}}};
}

chain forwarded_chain()
{
    return {"forwarded",
            chain_base{chain_kind::filter, chain_hook::forward, priority::filter, chain_policy::drop},
            {{match_foreign_source{}, go_to(foreign_chain)}, {go_to(refuse_chain)}}};
}

std::vector<rule> redirected_to_us(std::uint16_t stream_port, std::uint16_t name_port)
{
    std::vector<rule> out;
    for (const auto& port :
         {to_port(protocol::tcp, stream_port), to_port(protocol::tcp, name_port), to_port(protocol::udp, name_port)})
        out.push_back({match_dnat_status{}, match_local_destination{}, port, accept()});
    return out;
}

} // namespace cofferdam::nft
