#include "nft/ruleset_identity.hpp"

#include <algorithm>
#include <array>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

namespace cofferdam::nft {
namespace {

struct identified {
    std::uint16_t message;
    std::vector<std::uint16_t> attributes; // that name the table, or tell one state of it from another
};

// The name of the table is the first attribute of each.
const std::array<identified, 3>& kinds()
{
    static const std::array<identified, 3> out{
        identified{NFT_MSG_NEWTABLE, {NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_HANDLE}},
        identified{NFT_MSG_NEWCHAIN,
                   {NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HANDLE, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_TYPE,
                    NFTA_CHAIN_FLAGS}},
        identified{NFT_MSG_NEWRULE, {NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_HANDLE}}};
    return out;
}

result<std::string> identify(byte_view attributes, const identified& kind, const std::string& table)
{
    std::string out(1, static_cast<char>(kind.message));
    while (!attributes.empty()) {
        const auto attribute = next_attribute(attributes);
        if (!attribute) return attribute.error();
        const auto text = as_text(attribute->value);
        if (attribute->type == kind.attributes.front() && text.substr(0, text.find('\0')) != table) return std::string();
        if (std::find(kind.attributes.begin(), kind.attributes.end(), attribute->type) == kind.attributes.end()) continue;
        out += std::to_string(attribute->type) + ':' + std::to_string(text.size()) + ':';
        out += text;
    }
    return out;
}

} // namespace

result<dump_state> ruleset_identity::add(byte_view datagram, const std::string& table)
{
    while (!datagram.empty()) {
        const auto message = next_message(datagram);
        if (!message) return message.error();
        const auto& header = message->header;
        interrupted_ = interrupted_ || (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (header.nlmsg_type == NLMSG_DONE) {
            if (interrupted_) return make_error_code(errc::need_more);
            return dump_state::ended;
        }
        if (header.nlmsg_type == NLMSG_ERROR) {
            const auto refused = acknowledged_error(message->payload);
            if (refused) return refused;
            return dump_state::ended;
        }
        if (header.nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES) continue;
        const auto kind = std::find_if(kinds().begin(), kinds().end(),
                                       [&](const identified& each) { return each.message == (header.nlmsg_type & 0xFF); });
        if (kind == kinds().end()) continue;
        if (message->payload.size() < sizeof(nfgenmsg)) return make_error_code(errc::malformed);
        auto text = identify(message->payload.subspan(sizeof(nfgenmsg)), *kind, table);
        if (!text) return text.error();
        seen_ += *text;
    }
    return dump_state::more;
}

std::vector<std::vector<std::uint8_t>> identity_requests(const std::string& table)
{
    std::vector<std::vector<std::uint8_t>> out;
    for (const std::uint16_t type : {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE}) {
        alignas(nlmsghdr) std::array<char, 512> buffer{};
        auto* header = mnl_nlmsg_put_header(buffer.data());
        header->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
        header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        header->nlmsg_seq = static_cast<std::uint32_t>(out.size() + 1);
        auto* body = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
        body->nfgen_family = NFPROTO_INET;
        body->version = NFNETLINK_V0;
        if (type == NFT_MSG_GETRULE) mnl_attr_put_strz(header, NFTA_RULE_TABLE, table.c_str());
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(header);
        out.emplace_back(bytes, bytes + header->nlmsg_len);
    }
    return out;
}

} // namespace cofferdam::nft
