#include "nft/rule_builder.hpp"

#include "nft/query_shape.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/rtnetlink.h>

namespace cofferdam::nft {
namespace {

constexpr std::size_t name_limit = NFT_NAME_MAXLEN - 1;
constexpr std::size_t log_prefix_limit = 127;   // NF_LOG_PREFIXLEN - 1, linux/netfilter/nf_log.h
constexpr std::size_t interface_name_size = 16; // IFNAMSIZ, with the closing zero
constexpr std::uint32_t working_register = NFT_REG_1;
constexpr std::uint32_t second_register = NFT_REG_2;

std::uint16_t big_endian(std::uint16_t value) noexcept
{
    return static_cast<std::uint16_t>(value << 8 | value >> 8);
}

/// Turns the expressions of one rule into libnftnl's. Family and protocol are compared once a rule, before the first match
/// that depends on them, as nft itself does: its listing then shows the rule as it was written.
class rule_builder {
public:
    explicit rule_builder(nftnl_rule* out) noexcept : out_(out) {}
    error_code error() const noexcept { return error_; }

    void operator()(const match_family& m) { need_family(m.family); }
    void operator()(const match_protocol& m)
    {
        if (!m.negated) return need_protocol(m.number);
        load_meta(NFT_META_L4PROTO);
        compare(NFT_CMP_NEQ, &m.number, 1);
    }
    void operator()(const match_interface& m)
    {
        std::array<char, interface_name_size> name{};
        if (m.name.empty() || m.name.size() >= name.size()) return fail(errc::too_large);
        std::memcpy(name.data(), m.name.data(), m.name.size());
        const bool begins_so = m.name.back() == '*';
        if (begins_so && m.name.size() == 1) return fail(errc::malformed);
        load_meta(m.end == packet_end::source ? NFT_META_IIFNAME : NFT_META_OIFNAME);
        compare(operation(m.negated), name.data(), begins_so ? m.name.size() - 1 : name.size());
    }
    void operator()(const match_address& m);
    void operator()(const match_port& m)
    {
        if (m.transport != protocol::tcp && m.transport != protocol::udp) return fail(errc::malformed);
        need_protocol(m.transport);
        load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, m.end == packet_end::source ? 0 : 2, 2);
        const auto port = big_endian(m.port);
        compare(operation(m.negated), &port, sizeof port);
    }
    void operator()(const match_tcp_flags& m)
    {
        need_protocol(protocol::tcp);
        load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
        mask(&m.any_of, 1);
        const std::uint8_t none = 0;
        compare(NFT_CMP_NEQ, &none, 1);
    }
    void operator()(const match_unreachable& m)
    {
        const bool v4 = m.family == protocol_family::ipv4;
        need_family(m.family);
        need_protocol(v4 ? protocol::icmp : protocol::icmpv6);
        load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
        const std::uint8_t type = v4 ? 3 : 1;
        compare(NFT_CMP_EQ, &type, 1);
    }
    void operator()(const match_icmpv6_type& m)
    {
        need_family(protocol_family::ipv6);
        need_protocol(protocol::icmpv6);
        load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
        compare(NFT_CMP_EQ, &m.type, 1);
    }
    void operator()(const match_local_destination&)
    {
        auto* e = add("fib");
        set(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
        set(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
        set(e, NFTNL_EXPR_FIB_DREG, working_register);
        const std::uint32_t local = RTN_LOCAL;
        compare(NFT_CMP_EQ, &local, sizeof local);
    }
    void operator()(const match_foreign_source&)
    {
        auto* e = add("fib");
        set(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT);
        set(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_OIF);
        set(e, NFTNL_EXPR_FIB_DREG, working_register);
        const std::uint32_t missing = 0;
        compare(NFT_CMP_EQ, &missing, sizeof missing);
    }
    void operator()(const match_dnat_status&)
    {
        load_ct(NFT_CT_STATUS);
        const std::uint32_t bits = IPS_DST_NAT;
        mask(&bits, sizeof bits);
        const std::uint32_t none = 0;
        compare(NFT_CMP_NEQ, &none, sizeof none);
    }
    void operator()(const match_reply&)
    {
        load_ct(NFT_CT_DIRECTION);
        const std::uint8_t reply = 1; // IP_CT_DIR_REPLY
        compare(NFT_CMP_EQ, &reply, 1);
    }
    void operator()(const match_query_shape&)
    {
        need_protocol(protocol::udp);
        load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, udp_header_size + query_flags_offset, 1);
        mask(&query_flags_mask, 1);
        const std::uint8_t none = 0;
        compare(NFT_CMP_EQ, &none, 1);
        load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, udp_header_size + query_counts_offset, query_counts.size());
        compare(NFT_CMP_EQ, query_counts.data(), query_counts.size());
    }
    void operator()(const match_mark& m);
    void operator()(const match_control_group& m)
    {
        auto* e = add("socket");
        set(e, NFTNL_EXPR_SOCKET_KEY, NFT_SOCKET_CGROUPV2);
        set(e, NFTNL_EXPR_SOCKET_LEVEL, m.level);
        set(e, NFTNL_EXPR_SOCKET_DREG, working_register);
        compare(NFT_CMP_EQ, &m.id, sizeof m.id);
    }
    void operator()(const set_mark& s);
    void operator()(const set_flow_zone& s)
    {
        immediate(working_register, &s.zone, sizeof s.zone);
        auto* e = add("ct");
        set(e, NFTNL_EXPR_CT_KEY, NFT_CT_ZONE);
        constexpr std::uint8_t original = 0; // IP_CT_DIR_ORIGINAL
        if (e != nullptr) nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, original);
        set(e, NFTNL_EXPR_CT_SREG, working_register);
    }
    void operator()(const counter&) { add("counter"); }
    void operator()(const log_packet& s);
    void operator()(const reject& s);
    void operator()(const dnat& s);
    void operator()(const redirect& s)
    {
        const auto port = big_endian(s.port);
        immediate(working_register, &port, sizeof port);
        set(add("redir"), NFTNL_EXPR_REDIR_REG_PROTO_MIN, working_register);
    }
    void operator()(const tproxy& s)
    {
        load_endpoint(s.to);
        auto* e = add("tproxy");
        set(e, NFTNL_EXPR_TPROXY_FAMILY, family_number(s.to.address));
        set(e, NFTNL_EXPR_TPROXY_REG_ADDR, working_register);
        set(e, NFTNL_EXPR_TPROXY_REG_PORT, second_register);
    }
    void operator()(const notrack&) { add("notrack"); }
    void operator()(const queue& s);
    void operator()(const verdict& s);

private:
    static nft_cmp_ops operation(bool negated) noexcept { return negated ? NFT_CMP_NEQ : NFT_CMP_EQ; }
    static std::uint32_t family_number(const ip_address& address) noexcept
    {
        return static_cast<std::uint32_t>(address.is_v4() ? protocol_family::ipv4 : protocol_family::ipv6);
    }

    void fail(errc why) noexcept
    {
        if (!error_) error_ = why;
    }
    /// The new expression belongs to the rule. Null (and an error) only if libnftnl does not know the name.
    nftnl_expr* add(const char* name)
    {
        auto* e = nftnl_expr_alloc(name);
        if (e == nullptr)
            fail(errc::unsupported);
        else
            nftnl_rule_add_expr(out_, e);
        return e;
    }
    static void set(nftnl_expr* e, std::uint16_t attribute, std::uint32_t value)
    {
        if (e != nullptr) nftnl_expr_set_u32(e, attribute, value);
    }
    static void set(nftnl_expr* e, std::uint16_t attribute, const void* value, std::size_t size)
    {
        if (e != nullptr) nftnl_expr_set(e, attribute, value, static_cast<std::uint32_t>(size));
    }

    void load_meta(nft_meta_keys key)
    {
        auto* e = add("meta");
        set(e, NFTNL_EXPR_META_KEY, key);
        set(e, NFTNL_EXPR_META_DREG, working_register);
    }
    void load_ct(nft_ct_keys key)
    {
        auto* e = add("ct");
        set(e, NFTNL_EXPR_CT_KEY, key);
        set(e, NFTNL_EXPR_CT_DREG, working_register);
    }
    void load_payload(nft_payload_bases base, std::uint32_t offset, std::uint32_t size)
    {
        auto* e = add("payload");
        set(e, NFTNL_EXPR_PAYLOAD_BASE, base);
        set(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
        set(e, NFTNL_EXPR_PAYLOAD_LEN, size);
        set(e, NFTNL_EXPR_PAYLOAD_DREG, working_register);
    }
    void mask(const void* bits, std::size_t size)
    {
        const std::array<std::uint8_t, 16> zero{};
        auto* e = add("bitwise");
        set(e, NFTNL_EXPR_BITWISE_SREG, working_register);
        set(e, NFTNL_EXPR_BITWISE_DREG, working_register);
        set(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
        set(e, NFTNL_EXPR_BITWISE_LEN, static_cast<std::uint32_t>(size));
        set(e, NFTNL_EXPR_BITWISE_MASK, bits, size);
        set(e, NFTNL_EXPR_BITWISE_XOR, zero.data(), size);
    }
    void compare(nft_cmp_ops op, const void* value, std::size_t size)
    {
        auto* e = add("cmp");
        set(e, NFTNL_EXPR_CMP_SREG, working_register);
        set(e, NFTNL_EXPR_CMP_OP, op);
        set(e, NFTNL_EXPR_CMP_DATA, value, size);
    }
    void immediate(std::uint32_t target, const void* value, std::size_t size)
    {
        auto* e = add("immediate");
        set(e, NFTNL_EXPR_IMM_DREG, target);
        set(e, NFTNL_EXPR_IMM_DATA, value, size);
    }
    void load_endpoint(const ip_endpoint& to)
    {
        const auto address = to.address.bytes();
        immediate(working_register, address.data(), address.size());
        const auto port = big_endian(to.port);
        immediate(second_register, &port, sizeof port);
    }
    void need_family(protocol_family family)
    {
        const auto number = static_cast<std::uint8_t>(family);
        if (family_ == number) return;
        family_ = number;
        load_meta(NFT_META_NFPROTO);
        compare(NFT_CMP_EQ, &number, 1);
    }
    void need_protocol(std::uint8_t number)
    {
        if (protocol_ == number) return;
        protocol_ = number;
        load_meta(NFT_META_L4PROTO);
        compare(NFT_CMP_EQ, &number, 1);
    }

    nftnl_rule* out_;
    error_code error_;
    int family_ = -1, protocol_ = -1; // what the rule has compared so far
};

void rule_builder::operator()(const match_address& m)
{
    const auto& network = m.prefix.network();
    const bool v4 = network.is_v4();
    const auto bytes = network.bytes();
    const auto length = m.prefix.length();
    if (length == 0 || length > bytes.size() * 8) return fail(errc::malformed);
    need_family(v4 ? protocol_family::ipv4 : protocol_family::ipv6);
    const std::uint32_t offset = m.end == packet_end::source ? (v4 ? 12 : 8) : (v4 ? 16 : 24);
    if (length % 8 == 0) { // whole bytes: no mask needed
        load_payload(NFT_PAYLOAD_NETWORK_HEADER, offset, length / 8);
        return compare(operation(m.negated), bytes.data(), length / 8);
    }
    load_payload(NFT_PAYLOAD_NETWORK_HEADER, offset, static_cast<std::uint32_t>(bytes.size()));
    std::array<std::uint8_t, 16> bits{};
    for (unsigned i = 0; i < length; ++i) bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | (0x80U >> (i % 8)));
    mask(bits.data(), bytes.size());
    compare(operation(m.negated), bytes.data(), bytes.size());
}

void rule_builder::operator()(const match_mark& m)
{
    switch (m.what) {
    case mark_of::packet: load_meta(NFT_META_MARK); break;
    case mark_of::flow: load_ct(NFT_CT_MARK); break;
    case mark_of::socket: {
        auto* e = add("socket");
        set(e, NFTNL_EXPR_SOCKET_KEY, NFT_SOCKET_MARK);
        set(e, NFTNL_EXPR_SOCKET_DREG, working_register);
        break;
    }
    }
    compare(NFT_CMP_EQ, &m.value, sizeof m.value);
}

void rule_builder::operator()(const set_mark& s)
{
    if (s.what == mark_of::socket) return fail(errc::unsupported);
    immediate(working_register, &s.value, sizeof s.value);
    if (s.what == mark_of::packet) {
        auto* e = add("meta");
        set(e, NFTNL_EXPR_META_KEY, NFT_META_MARK);
        return set(e, NFTNL_EXPR_META_SREG, working_register);
    }
    auto* e = add("ct");
    set(e, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
    set(e, NFTNL_EXPR_CT_SREG, working_register);
}

void rule_builder::operator()(const log_packet& s)
{
    if (s.prefix.size() > log_prefix_limit) return fail(errc::too_large);
    auto* e = add("log");
    if (e == nullptr) return;
    nftnl_expr_set_u16(e, NFTNL_EXPR_LOG_GROUP, s.group);
    if (!s.prefix.empty()) nftnl_expr_set_str(e, NFTNL_EXPR_LOG_PREFIX, s.prefix.c_str());
    if (s.snaplen != 0) nftnl_expr_set_u32(e, NFTNL_EXPR_LOG_SNAPLEN, s.snaplen);
}

void rule_builder::operator()(const reject& s)
{
    auto* e = add("reject");
    if (e == nullptr) return;
    const bool reset = s.with == refusal::tcp_reset;
    if (reset) need_protocol(protocol::tcp); // the kernel answers nothing but TCP with a reset
    set(e, NFTNL_EXPR_REJECT_TYPE, reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
    const auto code = s.with == refusal::admin_prohibited ? NFT_REJECT_ICMPX_ADMIN_PROHIBITED : NFT_REJECT_ICMPX_PORT_UNREACH;
    nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, static_cast<std::uint8_t>(reset ? 0 : code));
}

void rule_builder::operator()(const dnat& s)
{
    load_endpoint(s.to);
    auto* e = add("nat");
    set(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
    set(e, NFTNL_EXPR_NAT_FAMILY, family_number(s.to.address));
    set(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, working_register);
    set(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, second_register);
}

void rule_builder::operator()(const queue& s)
{
    if (s.total == 0 || 65536 - s.first < s.total) return fail(errc::malformed);
    if (s.encoding == queue_encoding::native) {
        auto* e = add("queue");
        if (e == nullptr) return;
        nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_NUM, s.first);
        nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_TOTAL, s.total);
        nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_FLAGS, s.by_cpu ? NFT_QUEUE_FLAG_CPU_FANOUT : 0);
        return;
    }
    auto* e = add("target");
    if (e == nullptr) return;
    nftnl_expr_set_str(e, NFTNL_EXPR_TG_NAME, "NFQUEUE");
    nftnl_expr_set_u32(e, NFTNL_EXPR_TG_REV, 3);
    xt_NFQ_info_v3 target{};
    target.queuenum = s.first;
    target.queues_total = s.total;
    target.flags = s.by_cpu ? NFQ_FLAG_CPU_FANOUT : 0;
    // libnftnl keeps the pointer and frees it with the expression.
    auto* kept = static_cast<xt_NFQ_info_v3*>(std::calloc(1, sizeof target));
    if (kept == nullptr) return fail(errc::exhausted);
    *kept = target;
    nftnl_expr_set(e, NFTNL_EXPR_TG_INFO, kept, sizeof target);
}

void rule_builder::operator()(const verdict& s)
{
    static constexpr std::array<int, 5> codes{NF_ACCEPT, NF_DROP, NFT_RETURN, NFT_JUMP, NFT_GOTO};
    const bool to_chain = s.code == verdict_code::jump || s.code == verdict_code::go_to;
    if (to_chain == s.chain.empty()) return fail(errc::malformed);
    if (s.chain.size() > name_limit) return fail(errc::too_large);
    auto* e = add("immediate");
    set(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    set(e, NFTNL_EXPR_IMM_VERDICT, static_cast<std::uint32_t>(codes[static_cast<std::size_t>(s.code)]));
    if (e != nullptr && to_chain) nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, s.chain.c_str());
}

} // namespace

result<owned<nftnl_rule>> build_rule(const rule& r)
{
    owned<nftnl_rule> out(nftnl_rule_alloc());
    if (!out) return errc::exhausted;
    rule_builder builder(out.get());
    for (const auto& e : r) std::visit(builder, e);
    if (builder.error()) return builder.error();
    return out;
}

} // namespace cofferdam::nft
