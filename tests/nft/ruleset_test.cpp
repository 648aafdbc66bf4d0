#include "nft/sealed_ruleset.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace cofferdam::nft {
namespace {

const verdict accept{verdict_code::accept, {}};

const chain& chain_named(const ruleset& set, const std::string& name)
{
    const auto found = std::find_if(set.chains.begin(), set.chains.end(), [&](const chain& c) { return c.name == name; });
    EXPECT_NE(set.chains.end(), found) << name;
    return *found;
}

TEST(ruleset, is_a_value)
{
    sealed_options options;
    EXPECT_EQ(sealed_ruleset(options), sealed_ruleset(options));
    auto other = options;
    other.stream_port = 3;
    EXPECT_NE(sealed_ruleset(options), sealed_ruleset(other));
}

TEST(ruleset, prints_in_the_syntax_of_nft)
{
    const rule r{match_address{packet_end::destination, ip_prefix::parse("127.0.0.0/8").value()},
                 match_port{protocol::udp, packet_end::destination, 53}, dnat{{ip_address::v4(0x64400001U), 2}}};
    EXPECT_EQ("ip daddr 127.0.0.0/8 udp dport 53 dnat ip to 100.64.0.1:2", to_string(r));
    EXPECT_EQ("queue to 7-8", to_string(rule{queue{7, 2}}));
    EXPECT_EQ("queue flags fanout to 0-3", to_string(rule{queue{0, 4, true}}));
    EXPECT_EQ("redirect to :15001", to_string(rule{redirect{15001}}));
    EXPECT_EQ("table inet t {\n\tchain c {\n\t\ttype nat hook output priority -100; policy accept;\n\t\taccept\n\t}\n}\n",
              to_string(ruleset{
                  "t", {{"c", chain_base{chain_kind::nat, chain_hook::output, -100, chain_policy::accept}, {{accept}}}}}));
}

TEST(sealed_ruleset, ends_closed)
{
    for (const auto capture : {capture_method::tproxy, capture_method::redirect}) {
        sealed_options options;
        options.capture = capture;
        const auto set = sealed_ruleset(options);
        const auto& judged = chain_named(set, "judged");
        ASSERT_TRUE(judged.base);
        EXPECT_EQ(chain_policy::drop, judged.base->policy);
        EXPECT_EQ((rule{verdict{verdict_code::go_to, "refuse"}}), judged.rules.back());
        const auto& refuse = chain_named(set, "refuse");
        EXPECT_TRUE(std::holds_alternative<log_packet>(refuse.rules.front().front()));
        EXPECT_EQ((rule{reject{refusal::admin_prohibited}}), refuse.rules.back()) << "nothing falls out of its end unrefused";
        for (const auto& r : refuse.rules) EXPECT_NE(expression{accept}, r.back());
    }
}

TEST(sealed_ruleset, no_rule_accepts_a_packet_by_its_mark_or_owner)
{
    for (const auto& c : sealed_ruleset({}).chains)
        for (const auto& r : c.rules)
            for (const auto& e : r) EXPECT_FALSE(std::holds_alternative<match_mark>(e)) << to_string(r);
}

TEST(sealed_ruleset, without_ipv6_there_is_no_rule_for_it)
{
    sealed_options options;
    options.ipv6 = false;
    EXPECT_EQ(std::string::npos, to_string(sealed_ruleset(options)).find("ip6"));
    EXPECT_NE(std::string::npos, to_string(sealed_ruleset({})).find("ip6"));
}

TEST(sealed_ruleset, relayed_ports_are_accepted_from_the_job_only_and_never_53)
{
    sealed_options options;
    options.ipv6 = false;
    options.udp_ports = {3478, 53, 123, 123};
    const auto text = to_string(sealed_ruleset(options));
    EXPECT_NE(std::string::npos,
              text.find("\t\tip saddr 100.64.0.2 udp dport 123 accept\n\t\tip saddr 100.64.0.2 udp dport 3478 accept\n"));
    EXPECT_EQ(std::string::npos, text.find("udp dport 53 accept"));
    EXPECT_NE(std::string::npos, text.find("\t\tip daddr 127.0.0.0/8 udp dport 123 goto refuse\n"));
}

std::vector<std::string> printed(const chain& c)
{
    std::vector<std::string> out;
    for (const auto& r : c.rules) out.push_back(to_string(r));
    return out;
}

TEST(sealed_ruleset, queues_what_may_be_dns_before_it_is_translated)
{
    sealed_options options;
    options.ipv6 = false;
    options.udp_ports = {3478};
    const auto set = sealed_ruleset(options);
    const auto& queued = chain_named(set, "queued");
    const auto& translated = chain_named(set, "translated");
    EXPECT_LT(queued.base->order, translated.base->order);
    EXPECT_EQ(translated.base->hook, queued.base->hook);
    // Connection tracking, and with it defragmentation (-400), is kept in force by dnat; both run before this chain.
    EXPECT_GT(queued.base->order, -200);
    EXPECT_TRUE(std::holds_alternative<dnat>(translated.rules[2].back()));
    const std::vector<std::string> expected{
        "meta l4proto != udp accept",  "udp sport 2 accept",
        "ip daddr 127.0.0.0/8 accept", "ip daddr 100.64.0.2 accept",
        "udp dport 53 queue to 0",     "udp dport 3478 queue to 0",
        "udp dport 137 accept",        "udp dport 5353 accept",
        "udp dport 5355 accept",       "meta l4proto udp @th,80,8 & 0xf8 == 0x0 @th,96,48 0x100000000 queue to 0",
    };
    EXPECT_EQ(expected, printed(queued));
}

TEST(sealed_ruleset, fans_out_over_queues_by_cpu)
{
    sealed_options options;
    options.queues = 3;
    for (const auto encoding : {queue_encoding::native, queue_encoding::target}) {
        options.queueing = encoding;
        const auto set = sealed_ruleset(options);
        for (const auto& r : chain_named(set, "queued").rules) {
            const auto* asked = std::get_if<queue>(&r.back());
            if (asked == nullptr) continue;
            EXPECT_EQ((queue{0, 3, true, encoding}), *asked);
        }
        EXPECT_NE(std::string::npos, to_string(set).find("udp dport 53 queue flags fanout to 0-2\n"));
    }
}

TEST(sealed_ruleset, answers_in_another_servers_name_are_not_tracked)
{
    sealed_options options;
    options.ipv6 = false;
    const std::vector<std::string> own{"ip daddr 127.0.0.0/8 udp sport != 2 notrack",
                                       "ip daddr 100.64.0.2 udp sport != 2 notrack"};
    options.capture = capture_method::redirect;
    EXPECT_EQ(own, printed(chain_named(sealed_ruleset(options), "untracked")));
    options.capture = capture_method::tproxy;
    EXPECT_EQ("meta l4proto tcp notrack", printed(chain_named(sealed_ruleset(options), "untracked")).front());
}

TEST(protocol_name, is_a_word_or_a_number)
{
    EXPECT_EQ("sctp", protocol_name(132));
    EXPECT_EQ("icmpv6", protocol_name(58));
    EXPECT_EQ("253", protocol_name(253));
}

} // namespace
} // namespace cofferdam::nft
