#include "nft/encode.hpp"

#include "nft/rule_builder.hpp"

#include <array>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

namespace cofferdam::nft {
namespace {

constexpr std::size_t name_limit = NFT_NAME_MAXLEN - 1;
constexpr std::size_t message_limit = 16 * 1024; // one table, chain or rule; the largest of ours is under 1 KB

/// Lays messages one behind the other, numbered.
class batch_writer {
public:
    batch_writer() { append(nftnl_batch_begin(scratch_.data(), out_.first_sequence - 1)); }

    template <class Payload>
    void request(std::uint16_t type, std::uint16_t flags, std::string what, Payload add_payload)
    {
        const auto sequence = out_.first_sequence + static_cast<std::uint32_t>(out_.requests.size());
        auto* header =
            nftnl_nlmsg_build_hdr(scratch_.data(), type, NFPROTO_INET, static_cast<std::uint16_t>(flags | NLM_F_ACK), sequence);
        add_payload(header);
        out_.requests.push_back(std::move(what));
        append(header);
    }
    netlink_batch finish()
    {
        append(nftnl_batch_end(scratch_.data(), out_.first_sequence + static_cast<std::uint32_t>(out_.requests.size())));
        return std::move(out_);
    }

private:
    void append(const nlmsghdr* message)
    {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(message);
        out_.bytes.insert(out_.bytes.end(), bytes, bytes + NLMSG_ALIGN(message->nlmsg_len));
    }
    netlink_batch out_;
    alignas(nlmsghdr) std::array<char, message_limit> scratch_{};
};

bool is_name(const std::string& text) noexcept
{
    return !text.empty() && text.size() <= name_limit;
}

owned<nftnl_table> build_table(const std::string& name)
{
    owned<nftnl_table> out(nftnl_table_alloc());
    nftnl_table_set_u32(out.get(), NFTNL_TABLE_FAMILY, NFPROTO_INET);
    nftnl_table_set_str(out.get(), NFTNL_TABLE_NAME, name.c_str());
    return out;
}

owned<nftnl_chain> build_chain(const std::string& table, const chain& c)
{
    owned<nftnl_chain> out(nftnl_chain_alloc());
    nftnl_chain_set_str(out.get(), NFTNL_CHAIN_TABLE, table.c_str());
    nftnl_chain_set_str(out.get(), NFTNL_CHAIN_NAME, c.name.c_str());
    if (c.base) {
        nftnl_chain_set_str(out.get(), NFTNL_CHAIN_TYPE, c.base->kind == chain_kind::nat ? "nat" : "filter");
        nftnl_chain_set_u32(out.get(), NFTNL_CHAIN_HOOKNUM, static_cast<std::uint32_t>(c.base->hook));
        nftnl_chain_set_s32(out.get(), NFTNL_CHAIN_PRIO, c.base->order);
        nftnl_chain_set_u32(out.get(), NFTNL_CHAIN_POLICY, static_cast<std::uint32_t>(c.base->policy));
    }
    return out;
}

error_code put_rules(batch_writer& out, const std::string& table, const chain& c)
{
    for (const auto& r : c.rules) {
        auto built = build_rule(r);
        if (!built) return built.error();
        nftnl_rule_set_str(built->get(), NFTNL_RULE_TABLE, table.c_str());
        nftnl_rule_set_str(built->get(), NFTNL_RULE_CHAIN, c.name.c_str());
        out.request(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "rule '" + to_string(r) + "' of chain " + c.name,
                    [&](nlmsghdr* m) { nftnl_rule_nlmsg_build_payload(m, built->get()); });
    }
    return {};
}

/// Of all rules of the chain.
owned<nftnl_rule> build_removal(const std::string& table, const std::string& chain)
{
    owned<nftnl_rule> out(nftnl_rule_alloc());
    nftnl_rule_set_str(out.get(), NFTNL_RULE_TABLE, table.c_str());
    nftnl_rule_set_str(out.get(), NFTNL_RULE_CHAIN, chain.c_str());
    return out;
}

} // namespace

result<netlink_batch> encode_ruleset(const ruleset& set)
{
    if (!is_name(set.table)) return errc::too_large;
    for (const auto& c : set.chains)
        if (!is_name(c.name)) return errc::too_large;
    batch_writer out;
    const auto table = build_table(set.table);
    const auto put_table = [&](nlmsghdr* m) { nftnl_table_nlmsg_build_payload(m, table.get()); };
    // Created first, so that the removal never fails; then created anew.
    out.request(NFT_MSG_NEWTABLE, NLM_F_CREATE, "table inet " + set.table, put_table);
    out.request(NFT_MSG_DELTABLE, 0, "removal of table inet " + set.table, put_table);
    out.request(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, "table inet " + set.table, put_table);
    for (const auto& c : set.chains) {
        const auto built = build_chain(set.table, c);
        out.request(NFT_MSG_NEWCHAIN, NLM_F_CREATE, "chain " + c.name,
                    [&](nlmsghdr* m) { nftnl_chain_nlmsg_build_payload(m, built.get()); });
    }
    for (const auto& c : set.chains)
        if (const auto failed = put_rules(out, set.table, c)) return failed;
    return out.finish();
}

result<netlink_batch> encode_rules(const std::string& table, const std::vector<chain>& chains)
{
    batch_writer out;
    for (const auto& c : chains) {
        if (!is_name(table) || !is_name(c.name)) return errc::too_large;
        const auto removal = build_removal(table, c.name);
        out.request(NFT_MSG_DELRULE, 0, "the rules of chain " + c.name,
                    [&](nlmsghdr* m) { nftnl_rule_nlmsg_build_payload(m, removal.get()); });
    }
    for (const auto& c : chains)
        if (const auto failed = put_rules(out, table, c)) return failed;
    return out.finish();
}

result<netlink_batch> encode_removal(const std::string& table)
{
    if (!is_name(table)) return errc::too_large;
    batch_writer out;
    const auto built = build_table(table);
    out.request(NFT_MSG_DELTABLE, 0, "removal of table inet " + table,
                [&](nlmsghdr* m) { nftnl_table_nlmsg_build_payload(m, built.get()); });
    return out.finish();
}

result<std::string> describe_encoding(const rule& r)
{
    auto built = build_rule(r);
    if (!built) return built.error();
    struct collector {
        std::string text;
        static int add(nftnl_expr* e, void* self)
        {
            std::array<char, 512> line{};
            nftnl_expr_snprintf(line.data(), line.size(), e, NFTNL_OUTPUT_DEFAULT, 0);
            auto& text = static_cast<collector*>(self)->text;
            text += std::string("[ ") + nftnl_expr_get_str(e, NFTNL_EXPR_NAME) + ' ' + line.data() + "]\n";
            return 0;
        }
    } lines;
    nftnl_expr_foreach(built->get(), &collector::add, &lines);
    return std::move(lines.text);
}

} // namespace cofferdam::nft
