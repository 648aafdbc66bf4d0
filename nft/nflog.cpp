#include "nft/nflog.hpp"

#include "nft/expression.hpp"
#include "nft/netlink_reader.hpp"
#include "nft/packet.hpp"

#include <algorithm>
#include <linux/netfilter/nfnetlink_log.h>

namespace cofferdam::nft {
namespace {

constexpr std::size_t prefix_limit = 128; // NF_LOG_PREFIXLEN
constexpr std::size_t kept_icmp = 2;      // type and code (RFC 792, RFC 4443)
constexpr std::uint16_t packet_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;

bool has_ports(std::uint8_t number) noexcept
{
    constexpr std::uint8_t dccp = 33, sctp = 132, udp_lite = 136;
    return number == protocol::tcp || number == protocol::udp || number == dccp || number == sctp || number == udp_lite;
}

/// DNS, multicast DNS, LLMNR.
bool looks_like_dns(std::uint16_t port) noexcept
{
    return port == 53 || port == 5353 || port == 5355;
}

error_code read_packet(byte_view bytes, refused_packet& out)
{
    const auto ip = parse_packet(bytes);
    if (!ip) return ip.error();
    out.protocol = ip->protocol;
    out.source.address = ip->source;
    out.destination.address = ip->destination;
    out.length = ip->length;
    if (ip->fragment_offset != 0) return {};
    if (ip->protocol == protocol::icmp || ip->protocol == protocol::icmpv6) {
        const auto kept = ip->payload.first(std::min(ip->payload.size(), kept_icmp));
        out.payload.assign(kept.begin(), kept.end());
    }
    if (!has_ports(ip->protocol)) return {};
    byte_reader ports(ip->payload);
    const auto source = ports.u16();
    const auto destination = ports.u16();
    if (!source || !destination) return errc::need_more;
    out.source.port = *source;
    out.destination.port = *destination;
    if (ip->protocol != protocol::udp || !looks_like_dns(*destination) || ip->payload.size() <= 8) return {};
    const auto datagram = ip->payload.subspan(8);
    const auto kept = datagram.first(std::min(datagram.size(), kept_payload));
    out.payload.assign(kept.begin(), kept.end());
    return {};
}

result<std::uint32_t> number(byte_view value) noexcept
{
    return byte_reader(value).u32();
}

/// One NFULNL_MSG_PACKET; errc::malformed if its attributes are not framed, errc::unsupported if the packet is unreadable.
result<refused_packet> decode_message(byte_view payload)
{
    if (payload.size() < sizeof(nfgenmsg)) return errc::malformed;
    auto rest = payload.subspan(sizeof(nfgenmsg));
    refused_packet out;
    byte_view packet;
    while (!rest.empty()) {
        const auto attribute = next_attribute(rest);
        if (!attribute) return attribute.error();
        const auto value = attribute->value;
        switch (attribute->type) {
        case NFULA_PAYLOAD: packet = value; break;
        case NFULA_PREFIX: {
            const auto text = as_text(value.first(std::min(value.size(), prefix_limit)));
            out.prefix = text.substr(0, text.find('\0'));
            break;
        }
        case NFULA_UID:
            if (const auto n = number(value)) out.uid = *n;
            break;
        case NFULA_MARK:
            if (const auto n = number(value)) out.mark = *n;
            break;
        case NFULA_SEQ:
            if (const auto n = number(value)) out.sequence = *n;
            break;
        default: break;
        }
    }
    if (read_packet(packet, out)) return errc::unsupported;
    return out;
}

} // namespace

result<log_batch> decode_log(byte_view datagram)
{
    log_batch out;
    while (!datagram.empty()) {
        const auto message = next_message(datagram);
        if (!message) return message.error();
        if (message->header.nlmsg_type != packet_type) continue;
        auto packet = decode_message(message->payload);
        if (packet)
            out.packets.push_back(std::move(*packet));
        else if (packet.error() == errc::unsupported)
            ++out.unreadable;
        else
            return packet.error();
    }
    return out;
}

} // namespace cofferdam::nft
