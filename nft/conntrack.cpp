#include "nft/conntrack.hpp"

#include "nft/netlink_reader.hpp"

#include <array>
#include <cerrno>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

namespace cofferdam::nft {
namespace {

constexpr std::size_t message_limit = 256; // ours has 96 bytes with IPv6
constexpr std::uint16_t answer_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;

void put_address(nlmsghdr* m, const ip_address& address, bool source)
{
    const auto type = address.is_v4() ? (source ? CTA_IP_V4_SRC : CTA_IP_V4_DST) : (source ? CTA_IP_V6_SRC : CTA_IP_V6_DST);
    const auto bytes = address.bytes();
    mnl_attr_put(m, static_cast<std::uint16_t>(type), bytes.size(), bytes.data());
}

void put_tuple(nlmsghdr* m, const flow_query& query)
{
    auto* tuple = mnl_attr_nest_start(m, CTA_TUPLE_REPLY);
    auto* addresses = mnl_attr_nest_start(m, CTA_TUPLE_IP);
    put_address(m, query.from.address, true);
    put_address(m, query.to.address, false);
    mnl_attr_nest_end(m, addresses);
    auto* transport = mnl_attr_nest_start(m, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(m, CTA_PROTO_NUM, query.transport);
    mnl_attr_put_u16(m, CTA_PROTO_SRC_PORT, htobe16(query.from.port));
    mnl_attr_put_u16(m, CTA_PROTO_DST_PORT, htobe16(query.to.port));
    mnl_attr_nest_end(m, transport);
    mnl_attr_nest_end(m, tuple);
}

result<std::uint32_t> mark_in(byte_view payload) noexcept
{
    if (payload.size() < sizeof(nfgenmsg)) return errc::malformed;
    auto rest = payload.subspan(sizeof(nfgenmsg));
    while (!rest.empty()) {
        const auto attribute = next_attribute(rest);
        if (!attribute) return attribute.error();
        if (attribute->type != CTA_MARK) continue;
        const auto mark = byte_reader(attribute->value).u32();
        return mark ? mark : result<std::uint32_t>(errc::malformed);
    }
    return 0U;
}

error_code refusal_of(byte_view payload) noexcept
{
    const auto error = acknowledged_error(payload);
    if (!error) return errc::closed;
    if (error == error_code(ENOENT, boost::system::system_category())) return errc::not_found;
    return error;
}

} // namespace

result<std::vector<std::uint8_t>> encode_flow_query(const flow_query& query, std::uint32_t sequence)
{
    if (query.from.address.is_v4() != query.to.address.is_v4()) return errc::unsupported;
    alignas(nlmsghdr) std::array<char, message_limit> buffer{};
    auto* m = mnl_nlmsg_put_header(buffer.data());
    m->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
    m->nlmsg_flags = NLM_F_REQUEST;
    m->nlmsg_seq = sequence;
    auto* body = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(m, sizeof(nfgenmsg)));
    body->nfgen_family = query.from.address.is_v4() ? AF_INET : AF_INET6;
    body->version = NFNETLINK_V0;
    put_tuple(m, query);
    const auto* first = reinterpret_cast<const std::uint8_t*>(m);
    return std::vector<std::uint8_t>(first, first + m->nlmsg_len);
}

result<std::uint32_t> decode_flow_mark(byte_view datagram, std::uint32_t sequence) noexcept
{
    while (!datagram.empty()) {
        const auto message = next_message(datagram);
        if (!message) return message.error();
        if (message->header.nlmsg_seq != sequence) continue;
        if (message->header.nlmsg_type == NLMSG_ERROR) return refusal_of(message->payload);
        if (message->header.nlmsg_type == answer_type) return mark_in(message->payload);
    }
    return errc::closed;
}

} // namespace cofferdam::nft
