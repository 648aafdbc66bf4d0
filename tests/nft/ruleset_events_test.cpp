#include "nft/ruleset_events.hpp"

#include <array>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

namespace cofferdam::nft {
namespace {

using bytes = std::vector<std::uint8_t>;

/// One notification as the kernel lays it out (nf_tables_api.c).
template <class Attributes>
bytes message(std::uint16_t type, std::uint32_t port, Attributes add)
{
    alignas(nlmsghdr) std::array<char, 1024> buffer{};
    auto* header = mnl_nlmsg_put_header(buffer.data());
    header->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
    header->nlmsg_pid = port;
    mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg));
    add(header);
    const auto* raw = reinterpret_cast<const std::uint8_t*>(buffer.data());
    return {raw, raw + header->nlmsg_len};
}

bytes change(std::uint16_t type, const char* table, std::uint32_t port)
{
    return message(type, port, [table](nlmsghdr* m) { mnl_attr_put_strz(m, NFTA_TABLE_NAME, table); });
}

bytes commit(const char* process, std::uint32_t pid)
{
    return message(NFT_MSG_NEWGEN, 7, [=](nlmsghdr* m) {
        mnl_attr_put_u32(m, NFTA_GEN_ID, __builtin_bswap32(3));
        mnl_attr_put_u32(m, NFTA_GEN_PROC_PID, __builtin_bswap32(pid));
        mnl_attr_put_strz(m, NFTA_GEN_PROC_NAME, process);
    });
}

bytes join(std::initializer_list<bytes> parts)
{
    bytes out;
    for (const auto& each : parts) out.insert(out.end(), each.begin(), each.end());
    return out;
}

TEST(ruleset_events, tell_who_changed_the_table)
{
    const auto datagram =
        join({change(NFT_MSG_DELRULE, "cofferdam", 42), change(NFT_MSG_DELTABLE, "cofferdam", 42), commit("nft", 4711)});
    const auto events = decode_ruleset_events(datagram, "cofferdam", 7).value();
    EXPECT_TRUE(events.changed);
    EXPECT_TRUE(events.committed);
    EXPECT_EQ("nft", events.process);
    EXPECT_EQ(4711, events.pid);
}

TEST(ruleset_events, are_told_of_everything_in_the_table)
{
    for (const auto type : {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN, NFT_MSG_NEWRULE,
                            NFT_MSG_DELRULE, NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM, NFT_MSG_NEWOBJ, NFT_MSG_NEWFLOWTABLE})
        EXPECT_TRUE(decode_ruleset_events(change(static_cast<std::uint16_t>(type), "cofferdam", 42), "cofferdam", 7)->changed)
            << type;
}

TEST(ruleset_events, of_other_tables_and_of_our_own_changes_are_none)
{
    EXPECT_FALSE(decode_ruleset_events(change(NFT_MSG_NEWRULE, "filter", 42), "cofferdam", 7)->changed);
    EXPECT_FALSE(decode_ruleset_events(change(NFT_MSG_NEWRULE, "cofferdam2", 42), "cofferdam", 7)->changed);
    EXPECT_FALSE(decode_ruleset_events(change(NFT_MSG_NEWRULE, "cofferdam", 7), "cofferdam", 7)->changed);
}

TEST(ruleset_events, of_other_subsystems_are_passed_over)
{
    auto datagram = change(NFT_MSG_NEWRULE, "cofferdam", 42);
    datagram[5] = 1;
    EXPECT_FALSE(decode_ruleset_events(datagram, "cofferdam", 7)->changed);
}

TEST(ruleset_events, that_are_cut_anywhere_are_malformed)
{
    const auto whole = change(NFT_MSG_NEWRULE, "cofferdam", 42);
    for (std::size_t size = 1; size < whole.size(); ++size)
        EXPECT_FALSE(decode_ruleset_events(byte_view(whole).first(size), "cofferdam", 7)) << size;
    auto lying = whole;
    lying[20] = 0xFF; // the attribute's length
    EXPECT_FALSE(decode_ruleset_events(lying, "cofferdam", 7));
}

} // namespace
} // namespace cofferdam::nft
