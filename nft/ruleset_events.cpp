#include "nft/ruleset_events.hpp"

#include "nft/netlink_reader.hpp"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string_view>

namespace cofferdam::nft {
namespace {

// The name of the table is the first attribute of tables, chains, rules, sets, elements, objects and flow tables alike.
constexpr std::uint16_t table_attribute = NFTA_TABLE_NAME;
static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 && NFTA_SET_TABLE == 1 &&
              NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1 && NFTA_FLOWTABLE_TABLE == 1);

std::string_view text_of(byte_view value)
{
    const auto text = as_text(value);
    return text.substr(0, text.find('\0'));
}

error_code read_generation(byte_view attributes, ruleset_events& out)
{
    while (!attributes.empty()) {
        const auto attribute = next_attribute(attributes);
        if (!attribute) return attribute.error();
        if (attribute->type == NFTA_GEN_PROC_NAME) out.process = text_of(attribute->value);
        if (attribute->type == NFTA_GEN_PROC_PID && attribute->value.size() == 4) {
            for (const auto byte : attribute->value) out.pid = out.pid << 8 | byte;
        }
    }
    out.committed = true;
    return {};
}

error_code find_table(byte_view attributes, const std::string& table, bool& found)
{
    found = false;
    while (!attributes.empty()) {
        const auto attribute = next_attribute(attributes);
        if (!attribute) return attribute.error();
        if (attribute->type != table_attribute) continue;
        found = text_of(attribute->value) == table;
        return {};
    }
    return {};
}

} // namespace

result<ruleset_events> decode_ruleset_events(byte_view datagram, const std::string& table, std::uint32_t own_port)
{
    ruleset_events out;
    while (!datagram.empty()) {
        const auto message = next_message(datagram);
        if (!message) return message.error();
        const auto type = message->header.nlmsg_type;
        if (type >> 8 != NFNL_SUBSYS_NFTABLES) continue;
        if (message->payload.size() < sizeof(nfgenmsg)) return make_error_code(errc::malformed);
        const auto attributes = message->payload.subspan(sizeof(nfgenmsg));
        if ((type & 0xFF) == NFT_MSG_NEWGEN) {
            out.pid = 0;
            if (const auto failed = read_generation(attributes, out)) return failed;
            continue;
        }
        bool ours = false;
        if (const auto failed = find_table(attributes, table, ours)) return failed;
        if (ours && message->header.nlmsg_pid != own_port) out.changed = true;
    }
    return out;
}

} // namespace cofferdam::nft
