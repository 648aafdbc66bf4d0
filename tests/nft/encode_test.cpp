#include "nft/encode.hpp"
#include "nft/netlink_reader.hpp"
#include "nft/sealed_ruleset.hpp"

#include <gtest/gtest.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

namespace cofferdam::nft {
namespace {

const verdict accept{verdict_code::accept, {}};

std::vector<netlink_message> messages_of(const netlink_batch& batch)
{
    std::vector<netlink_message> out;
    byte_view rest(batch.bytes);
    while (!rest.empty()) out.push_back(next_message(rest).value());
    return out;
}

ruleset one_rule(rule r)
{
    return {"t", {{"c", chain_base{chain_kind::filter, chain_hook::output, -5, chain_policy::drop}, {std::move(r)}}}};
}

TEST(encode, a_batch_is_framed_and_numbered)
{
    const auto set = sealed_ruleset({});
    const auto batch = encode_ruleset(set).value();
    const auto messages = messages_of(batch);
    ASSERT_EQ(batch.requests.size() + 2, messages.size());
    EXPECT_EQ(NFNL_MSG_BATCH_BEGIN, messages.front().header.nlmsg_type);
    EXPECT_EQ(NFNL_MSG_BATCH_END, messages.back().header.nlmsg_type);
    std::size_t rules = 0;
    for (const auto& c : set.chains) rules += c.rules.size();
    EXPECT_EQ(3 + set.chains.size() + rules, batch.requests.size());
    for (std::size_t i = 0; i < batch.requests.size(); ++i) {
        const auto& header = messages[i + 1].header;
        EXPECT_EQ(batch.first_sequence + i, header.nlmsg_seq);
        EXPECT_NE(0, header.nlmsg_flags & NLM_F_ACK);
        EXPECT_EQ(NFNL_SUBSYS_NFTABLES, header.nlmsg_type >> 8);
    }
}

TEST(encode, the_chain_decodes_to_what_was_asked)
{
    const auto batch = encode_ruleset(one_rule({accept})).value();
    const auto* message = reinterpret_cast<const nlmsghdr*>(messages_of(batch)[4].payload.data() - sizeof(nlmsghdr));
    ASSERT_EQ(NFT_MSG_NEWCHAIN, message->nlmsg_type & 0xFF);
    auto* c = nftnl_chain_alloc();
    ASSERT_EQ(0, nftnl_chain_nlmsg_parse(message, c));
    EXPECT_STREQ("t", nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE));
    EXPECT_STREQ("c", nftnl_chain_get_str(c, NFTNL_CHAIN_NAME));
    EXPECT_STREQ("filter", nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE));
    EXPECT_EQ(3U, nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM));
    EXPECT_EQ(-5, nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO));
    EXPECT_EQ(0U, nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY));
    nftnl_chain_free(c);
}

TEST(encode, expressions_are_those_that_nft_makes)
{
    // Right-hand sides: `nft --debug=netlink` of the same rule.
    const auto host = ip_prefix::parse("100.64.0.2").value();
    EXPECT_EQ("[ meta load nfproto => reg 1 ]\n[ cmp eq reg 1 0x00000002 ]\n[ payload load 4b @ network header + 12 => reg 1 ]\n"
              "[ cmp eq reg 1 0x02004064 ]\n[ payload load 4b @ network header + 16 => reg 1 ]\n[ cmp neq reg 1 0x02004064 ]\n"
              "[ meta load l4proto => reg 1 ]\n[ cmp eq reg 1 0x00000006 ]\n[ immediate reg 0 accept ]\n",
              describe_encoding({match_address{packet_end::source, host}, match_address{packet_end::destination, host, true},
                                 match_protocol{protocol::tcp}, accept})
                  .value());
    EXPECT_EQ("[ meta load nfproto => reg 1 ]\n[ cmp eq reg 1 0x00000002 ]\n[ payload load 4b @ network header + 16 => reg 1 ]\n"
              "[ bitwise reg 1 = ( reg 1 & 0x00feffff ) ^ 0x00000000 ]\n[ cmp eq reg 1 0x0002010a ]\n",
              describe_encoding({match_address{packet_end::destination, ip_prefix::parse("10.1.2.0/23").value()}}).value());
    EXPECT_EQ("[ immediate reg 1 0xcd0000fd 0x00000000 0x00000000 0x01000000 ]\n[ immediate reg 2 0x00000200 ]\n"
              "[ tproxy ip6 addr reg 1 port reg 2 ]\n",
              describe_encoding({tproxy{{sealed_addresses{}.gateway_v6, 2}}}).value());
    EXPECT_EQ("[ log prefix refused group 7 snaplen 256 qthreshold 0 ]\n",
              describe_encoding({log_packet{7, "refused", 256}}).value());
}

TEST(encode, control_groups_and_marks)
{
    // `nft --debug=netlink` of the same, with the group's inode number.
    EXPECT_EQ("[ socket load cgroupv2 => reg 1 ]\n[ cmp eq reg 1 0x00000419 0x00000001 ]\n",
              describe_encoding({match_control_group{2, 0x100000419, "ci/job-7"}}).value());
    const auto at_level = [](std::uint32_t level) {
        return encode_ruleset(one_rule({match_control_group{level, 1, {}}}))->bytes;
    };
    EXPECT_NE(at_level(1), at_level(2)) << "the library does not print it";
    EXPECT_EQ("[ immediate reg 1 0x0cf00001 ]\n[ meta set mark with reg 1 ]\n[ immediate reg 1 0x0cf00001 ]\n"
              "[ ct set mark with reg 1 ]\n",
              describe_encoding({set_mark{mark_of::packet, 0xCF00001}, set_mark{mark_of::flow, 0xCF00001}}).value());
    EXPECT_EQ(errc::unsupported, describe_encoding({set_mark{mark_of::socket, 1}}).error());
    EXPECT_EQ("[ immediate reg 1 0x00000c0f ]\n[ ct set zone with reg 1 , dir original ]\n",
              describe_encoding({set_flow_zone{0xC0F}}).value());
}

TEST(encode, new_rules_take_the_place_of_a_chains_old_ones)
{
    const auto batch = encode_rules("t", {{"c", std::nullopt, {{accept}}}, {"d", std::nullopt, {}}}).value();
    const std::vector<std::string> expected{"the rules of chain c", "the rules of chain d", "rule 'accept' of chain c"};
    EXPECT_EQ(expected, batch.requests);
    EXPECT_EQ(errc::too_large, encode_rules("t", {{"", std::nullopt, {}}}).error());
}

TEST(encode, a_dependency_is_compared_once_a_rule)
{
    const auto text = describe_encoding({match_protocol{protocol::tcp}, match_port{protocol::tcp, packet_end::destination, 53},
                                         match_tcp_flags{tcp_flag_rst}, reject{refusal::tcp_reset}})
                          .value();
    EXPECT_EQ(text.find("l4proto"), text.rfind("l4proto"));
}

TEST(encode, the_queue_has_two_encodings)
{
    EXPECT_EQ("[ queue num 7-8 ]\n", describe_encoding({queue{7, 2}}).value());
    EXPECT_EQ("[ target name NFQUEUE rev 3 ]\n", describe_encoding({queue{7, 2, true, queue_encoding::target}}).value());
    // struct xt_NFQ_info_v3: queuenum, queues_total, flags (bit 1: by CPU), in host order, padded to eight bytes.
    const auto batch = encode_ruleset(one_rule({queue{7, 2, true, queue_encoding::target}})).value();
    const std::uint16_t info[] = {7, 2, 2, 0};
    const auto text = as_text({reinterpret_cast<const std::uint8_t*>(info), sizeof info});
    EXPECT_NE(std::string_view::npos, as_text(batch.bytes).find(text));
}

TEST(encode, the_shape_of_a_query_is_compared_octet_by_octet)
{
    // `nft --debug=netlink` of "udp dport 53 @th,80,5 0 @th,96,48 0x000100000000", its first comparison left out.
    EXPECT_EQ(
        "[ meta load l4proto => reg 1 ]\n[ cmp eq reg 1 0x00000011 ]\n[ payload load 1b @ transport header + 10 => reg 1 ]\n"
        "[ bitwise reg 1 = ( reg 1 & 0x000000f8 ) ^ 0x00000000 ]\n[ cmp eq reg 1 0x00000000 ]\n"
        "[ payload load 6b @ transport header + 12 => reg 1 ]\n[ cmp eq reg 1 0x00000100 0x00000000 ]\n",
        describe_encoding({match_query_shape{}}).value());
}

TEST(encode, refuses_what_the_kernel_could_not_mean)
{
    EXPECT_EQ(errc::malformed, describe_encoding({match_address{packet_end::source, {ip_address(), 33}}}).error());
    EXPECT_EQ(errc::malformed, describe_encoding({match_address{packet_end::source, {ip_address(), 0}}}).error());
    EXPECT_EQ(errc::malformed, describe_encoding({match_port{132, packet_end::source, 1}}).error());
    EXPECT_EQ(errc::malformed, describe_encoding({verdict{verdict_code::jump, {}}}).error());
    EXPECT_EQ(errc::malformed, describe_encoding({verdict{verdict_code::accept, "c"}}).error());
    EXPECT_EQ(errc::malformed, describe_encoding({queue{65535, 2}}).error());
    EXPECT_EQ(errc::malformed, describe_encoding({queue{0, 0}}).error());
    EXPECT_EQ(errc::too_large, describe_encoding({match_interface{packet_end::source, "sixteen-letters-"}}).error());
    EXPECT_EQ(errc::malformed, describe_encoding({match_interface{packet_end::source, "*"}}).error());
    EXPECT_EQ(errc::too_large, describe_encoding({log_packet{1, std::string(128, 'x')}}).error());
    EXPECT_EQ(errc::too_large, encode_ruleset({std::string(256, 't'), {}}).error());
    EXPECT_EQ(errc::too_large, encode_ruleset({"", {}}).error());
    EXPECT_EQ(errc::malformed, encode_ruleset(one_rule({queue{0, 0}})).error());
}

} // namespace
} // namespace cofferdam::nft
