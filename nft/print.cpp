#include "nft/ruleset.hpp"

#include <cstdio>

namespace cofferdam::nft {
namespace {

std::string quoted(const std::string& text)
{
    return '"' + text + '"';
}

std::string_view not_equal(bool negated)
{
    return negated ? "!= " : "";
}

std::string_view family_word(const ip_address& address)
{
    return address.is_v4() ? "ip" : "ip6";
}

std::string hex(std::uint32_t value)
{
    char text[11];
    std::snprintf(text, sizeof text, "0x%08x", value);
    return text;
}

std::string icmpv6_word(std::uint8_t type)
{
    switch (type) {
    case icmpv6_type::listener_query: return "mld-listener-query";
    case icmpv6_type::router_solicit: return "nd-router-solicit";
    case icmpv6_type::neighbour_solicit: return "nd-neighbor-solicit";
    case icmpv6_type::neighbour_advert: return "nd-neighbor-advert";
    case icmpv6_type::listener_report: return "mld2-listener-report";
    default: return std::to_string(type);
    }
}

struct rule_printer {
    std::string operator()(const match_family& m) const
    {
        return m.family == protocol_family::ipv4 ? "meta nfproto ipv4" : "meta nfproto ipv6";
    }
    std::string operator()(const match_protocol& m) const
    {
        return "meta l4proto " + std::string(not_equal(m.negated)) + protocol_name(m.number);
    }
    std::string operator()(const match_interface& m) const
    {
        const std::string key = m.end == packet_end::source ? "iifname " : "oifname ";
        return key + std::string(not_equal(m.negated)) + quoted(m.name);
    }
    std::string operator()(const match_address& m) const
    {
        const auto& network = m.prefix.network();
        const bool host = m.prefix.length() == (network.is_v4() ? 32U : 128U);
        const std::string key = m.end == packet_end::source ? " saddr " : " daddr ";
        return std::string(family_word(network)) + key + std::string(not_equal(m.negated)) +
               (host ? network.to_string() : m.prefix.to_string());
    }
    std::string operator()(const match_port& m) const
    {
        const std::string key = m.end == packet_end::source ? " sport " : " dport ";
        return protocol_name(m.transport) + key + std::string(not_equal(m.negated)) + std::to_string(m.port);
    }
    std::string operator()(const match_tcp_flags& m) const
    {
        static constexpr const char* names[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};
        std::string out;
        for (unsigned bit = 0; bit < 8; ++bit)
            if ((m.any_of >> bit & 1U) != 0) out += (out.empty() ? "tcp flags " : ",") + std::string(names[bit]);
        return out;
    }
    std::string operator()(const match_unreachable& m) const
    {
        return std::string(m.family == protocol_family::ipv4 ? "icmp" : "icmpv6") + " type destination-unreachable";
    }
    std::string operator()(const match_icmpv6_type& m) const { return "icmpv6 type " + icmpv6_word(m.type); }
    std::string operator()(const match_local_destination&) const { return "fib daddr type local"; }
    std::string operator()(const match_foreign_source&) const { return "fib saddr . iif oif missing"; }
    std::string operator()(const match_dnat_status&) const { return "ct status dnat"; }
    std::string operator()(const match_reply&) const { return "ct direction reply"; }
    std::string operator()(const match_query_shape&) const { return "@th,80,8 & 0xf8 == 0x0 @th,96,48 0x100000000"; }
    std::string operator()(const match_mark& m) const
    {
        static constexpr const char* keys[] = {"meta mark ", "ct mark ", "socket mark "};
        return keys[static_cast<unsigned>(m.what)] + hex(m.value);
    }
    std::string operator()(const match_control_group& m) const
    {
        return "socket cgroupv2 level " + std::to_string(m.level) + ' ' + quoted(m.path);
    }
    std::string operator()(const set_mark& s) const
    {
        return (s.what == mark_of::packet ? "meta mark set " : "ct mark set ") + hex(s.value);
    }
    std::string operator()(const set_flow_zone& s) const { return "ct original zone set " + std::to_string(s.zone); }
    std::string operator()(const counter&) const { return "counter packets 0 bytes 0"; }
    std::string operator()(const log_packet& s) const
    {
        std::string out = "log";
        if (!s.prefix.empty()) out += " prefix " + quoted(s.prefix);
        out += " group " + std::to_string(s.group);
        if (s.snaplen != 0) out += " snaplen " + std::to_string(s.snaplen);
        return out;
    }
    std::string operator()(const reject& s) const
    {
        if (s.with == refusal::tcp_reset) return "reject with tcp reset";
        return s.with == refusal::port_unreachable ? "reject" : "reject with icmpx admin-prohibited";
    }
    std::string operator()(const dnat& s) const
    {
        return "dnat " + std::string(family_word(s.to.address)) + " to " + s.to.to_string();
    }
    std::string operator()(const redirect& s) const { return "redirect to :" + std::to_string(s.port); }
    std::string operator()(const tproxy& s) const
    {
        return "tproxy " + std::string(family_word(s.to.address)) + " to " + s.to.to_string();
    }
    std::string operator()(const notrack&) const { return "notrack"; }
    std::string operator()(const queue& s) const
    {
        std::string out = s.by_cpu ? "queue flags fanout to " : "queue to ";
        out += std::to_string(s.first);
        if (s.total > 1) out += '-' + std::to_string(s.first + s.total - 1);
        return out;
    }
    std::string operator()(const verdict& s) const
    {
        static constexpr const char* words[] = {"accept", "drop", "return", "jump ", "goto "};
        return words[static_cast<unsigned>(s.code)] + s.chain;
    }
};

std::string priority_word(std::int32_t order, chain_hook hook)
{
    if (order == priority::raw) return "raw";
    if (order == priority::mangle) return "mangle";
    if (order == priority::filter) return "filter";
    if (order == priority::destination_nat && hook == chain_hook::prerouting) return "dstnat";
    if (order == priority::after_destination_nat && hook == chain_hook::prerouting) return "dstnat + 10";
    return std::to_string(order);
}

std::string to_string(const chain_base& base)
{
    static constexpr const char* hooks[] = {"prerouting", "input", "forward", "output", "postrouting"};
    return std::string("type ") + (base.kind == chain_kind::nat ? "nat" : "filter") + " hook " +
           hooks[static_cast<unsigned>(base.hook)] + " priority " + priority_word(base.order, base.hook) + "; policy " +
           (base.policy == chain_policy::drop ? "drop" : "accept") + ';';
}

} // namespace

std::string to_string(const rule& r)
{
    const rule_printer printer;
    std::string out;
    for (const auto& e : r) {
        if (!out.empty()) out += ' ';
        out += std::visit(printer, e);
    }
    return out;
}

std::string to_string(const ruleset& set)
{
    std::string out = "table inet " + set.table + " {\n";
    bool first = true;
    for (const auto& c : set.chains) {
        if (!first) out += '\n';
        first = false;
        out += "\tchain " + c.name + " {\n";
        if (c.base) out += "\t\t" + to_string(*c.base) + '\n';
        for (const auto& r : c.rules) out += "\t\t" + to_string(r) + '\n';
        out += "\t}\n";
    }
    return out + "}\n";
}

std::string protocol_name(std::uint8_t number)
{
    switch (number) {
    case protocol::icmp: return "icmp";
    case protocol::igmp: return "igmp";
    case protocol::tcp: return "tcp";
    case protocol::udp: return "udp";
    case 33: return "dccp";
    case 41: return "ipv6";
    case 47: return "gre";
    case 50: return "esp";
    case 51: return "ah";
    case protocol::icmpv6: return "icmpv6";
    case 132: return "sctp";
    case 136: return "udplite";
    default: return std::to_string(number);
    }
}

} // namespace cofferdam::nft
