#include "nft/ruleset_identity.hpp"

#include <array>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

namespace cofferdam::nft {
namespace {

using bytes = std::vector<std::uint8_t>;

/// One message of a dump as the kernel lays it out (nf_tables_api.c).
template <class Attributes>
bytes message(std::uint16_t type, std::uint16_t flags, Attributes add)
{
    alignas(nlmsghdr) std::array<char, 1024> buffer{};
    auto* header = mnl_nlmsg_put_header(buffer.data());
    header->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
    header->nlmsg_flags = flags;
    mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg));
    add(header);
    const auto* raw = reinterpret_cast<const std::uint8_t*>(buffer.data());
    return {raw, raw + header->nlmsg_len};
}

bytes chain(const char* table, std::uint32_t policy, std::uint32_t uses)
{
    return message(NFT_MSG_NEWCHAIN, NLM_F_MULTI, [=](nlmsghdr* m) {
        mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, table);
        mnl_attr_put_strz(m, NFTA_CHAIN_NAME, "judged");
        mnl_attr_put_u32(m, NFTA_CHAIN_POLICY, policy);
        mnl_attr_put_u32(m, NFTA_CHAIN_USE, uses);
    });
}

bytes rule(const char* table, std::uint64_t handle, std::uint64_t count, std::uint16_t flags = NLM_F_MULTI)
{
    return message(NFT_MSG_NEWRULE, flags, [=](nlmsghdr* m) {
        mnl_attr_put_strz(m, NFTA_RULE_TABLE, table);
        mnl_attr_put_strz(m, NFTA_RULE_CHAIN, "judged");
        mnl_attr_put_u64(m, NFTA_RULE_HANDLE, handle);
        mnl_attr_put_u64(m, NFTA_RULE_EXPRESSIONS, count);
    });
}

ruleset_identity of(std::initializer_list<bytes> datagrams)
{
    ruleset_identity out;
    for (const auto& each : datagrams) EXPECT_EQ(dump_state::more, out.add(each, "cofferdam").value());
    return out;
}

TEST(ruleset_identity, is_of_numbers_and_order_and_what_changes_in_place)
{
    const auto whole = of({chain("cofferdam", 0, 2), rule("cofferdam", 3, 9), rule("cofferdam", 4, 9)});
    EXPECT_NE(whole, of({chain("cofferdam", 1, 2), rule("cofferdam", 3, 9), rule("cofferdam", 4, 9)}));
    EXPECT_NE(whole, of({chain("cofferdam", 0, 2), rule("cofferdam", 4, 9), rule("cofferdam", 3, 9)}));
    EXPECT_NE(whole, of({chain("cofferdam", 0, 2), rule("cofferdam", 3, 9)}));
    EXPECT_NE(whole, of({chain("cofferdam", 0, 2), rule("cofferdam", 3, 9), rule("cofferdam", 5, 9)}));
    EXPECT_NE(whole, ruleset_identity());
}

TEST(ruleset_identity, is_not_of_counters_nor_of_other_tables)
{
    const auto whole = of({chain("cofferdam", 0, 2), rule("cofferdam", 3, 9)});
    EXPECT_EQ(whole, of({chain("other", 1, 1), chain("cofferdam", 0, 7), rule("other", 1, 1), rule("cofferdam", 3, 10)}));
    EXPECT_EQ(ruleset_identity(), of({rule("cofferdam2", 3, 9)}));
}

TEST(ruleset_identity, ends_is_refused_or_must_be_read_again)
{
    ruleset_identity read;
    auto done = message(0, 0, [](nlmsghdr* m) { m->nlmsg_type = NLMSG_DONE; });
    EXPECT_EQ(dump_state::ended, read.add(done, "cofferdam").value());
    ruleset_identity changed;
    EXPECT_TRUE(changed.add(rule("cofferdam", 1, 1, NLM_F_MULTI | NLM_F_DUMP_INTR), "cofferdam"));
    EXPECT_EQ(errc::need_more, changed.add(done, "cofferdam").error());
    const auto whole = rule("cofferdam", 1, 1);
    for (std::size_t size = 1; size < whole.size(); ++size)
        EXPECT_FALSE(read.add(byte_view(whole).first(size), "cofferdam")) << size;
}

} // namespace
} // namespace cofferdam::nft
