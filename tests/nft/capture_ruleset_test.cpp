#include "nft/local_ruleset.hpp"
#include "nft/router_ruleset.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace cofferdam::nft {
namespace {

const chain& chain_named(const ruleset& set, const std::string& name)
{
    const auto found = std::find_if(set.chains.begin(), set.chains.end(), [&](const chain& c) { return c.name == name; });
    EXPECT_NE(set.chains.end(), found) << name;
    return *found;
}

bool has_rule(const chain& where, const std::string& text)
{
    return std::any_of(where.rules.begin(), where.rules.end(), [&](const rule& r) { return to_string(r) == text; });
}

template <class Each>
void for_each_queue(const ruleset& set, Each visit)
{
    for (const auto& c : set.chains)
        for (const auto& r : c.rules)
            for (const auto& e : r)
                if (const auto* q = std::get_if<queue>(&e)) visit(*q);
}

TEST(router_ruleset, forwards_nothing)
{
    const auto set = router_ruleset({});
    const auto& forwarded = chain_named(set, "forwarded");
    EXPECT_EQ(chain_hook::forward, forwarded.base->hook);
    EXPECT_EQ(chain_policy::drop, forwarded.base->policy);
    EXPECT_EQ("goto refuse", to_string(forwarded.rules.back()));
}

TEST(router_ruleset, refuses_what_is_left_before_it_is_routed)
{
    const auto set = router_ruleset({});
    const auto& arrived = chain_named(set, "arrived");
    EXPECT_EQ(chain_hook::prerouting, arrived.base->hook);
    EXPECT_GT(arrived.base->order, priority::destination_nat);
    EXPECT_EQ("goto refuse", to_string(chain_named(set, "judged").rules.back()));
    EXPECT_FALSE(has_rule(chain_named(set, "judged"), "accept"));
}

TEST(router_ruleset, captures_the_named_interfaces_or_all_but_loopback)
{
    router_options options;
    EXPECT_TRUE(has_rule(chain_named(router_ruleset(options), "translated"), "iifname != \"lo\" goto captured"));
    options.interfaces = {"build0", "build1"};
    for (const auto* name : {"queued", "translated", "arrived"}) {
        const auto set = router_ruleset(options);
        EXPECT_EQ(2, chain_named(set, name).rules.size()) << name;
        EXPECT_EQ(0, to_string(chain_named(set, name).rules.back()).find("iifname \"build1\" ")) << name;
    }
}

TEST(router_ruleset, drops_sources_that_are_not_of_the_interface_before_all_else)
{
    router_options options;
    options.interfaces = {"build0", "build1"};
    const auto set = router_ruleset(options);
    const auto& proven = chain_named(set, "proven");
    EXPECT_EQ(chain_hook::prerouting, proven.base->hook);
    EXPECT_EQ(priority::raw, proven.base->order);
    for (const std::string name : {"build0", "build1"})
        EXPECT_TRUE(has_rule(proven, "iifname \"" + name + "\" fib saddr . iif oif missing goto foreign")) << name;
    const auto& foreign = chain_named(set, "foreign");
    EXPECT_EQ("log prefix \"foreign source\" group 1500 snaplen 320", to_string(foreign.rules.front()));
    EXPECT_EQ("drop", to_string(foreign.rules.back())); // and not a reject, which would be an answer
}

TEST(router_ruleset, answers_only_by_the_interfaces_that_clients_come_by)
{
    router_options options;
    options.interfaces = {"build0", "build1"};
    options.answer_mark = 0x11;
    const auto set = router_ruleset(options);
    const auto& answered = chain_named(set, "answered");
    EXPECT_EQ(chain_hook::output, answered.base->hook);
    const std::string elsewhere = "oifname != \"lo\" oifname != \"build0\" oifname != \"build1\" ";
    EXPECT_TRUE(has_rule(answered, elsewhere + "meta mark 0x00000011 goto foreign"));
    EXPECT_TRUE(has_rule(answered, elsewhere + "ct status dnat ct direction reply goto foreign"));
}

TEST(router_ruleset, redirects_names_before_streams)
{
    const auto set = router_ruleset({});
    const auto& rules = chain_named(set, "captured").rules;
    ASSERT_EQ(3, rules.size());
    EXPECT_EQ("udp dport 53 redirect to :15053", to_string(rules[0]));
    EXPECT_EQ("tcp dport 53 redirect to :15053", to_string(rules[1]));
    EXPECT_EQ("meta l4proto tcp redirect to :15001", to_string(rules[2]));
}

TEST(router_ruleset, lets_clients_reach_the_services_of_this_machine_alone)
{
    router_options options;
    options.services = {3128};
    const auto set = router_ruleset(options);
    for (const auto* name : {"captured", "judged"})
        EXPECT_TRUE(has_rule(chain_named(set, name), "fib daddr type local tcp dport 3128 accept")) << name;
    options.interfaces = {"build0"};
    EXPECT_TRUE(has_rule(chain_named(router_ruleset(options), "guarded"),
                         "iifname != \"lo\" iifname != \"build0\" tcp dport 3128 goto refuse"));
}

TEST(router_ruleset, takes_no_router_advertisement_and_no_redirect)
{
    const auto text = to_string(router_ruleset({}));
    EXPECT_EQ(std::string::npos, text.find("nd-router-advert"));
    EXPECT_EQ(std::string::npos, text.find("nd-redirect"));
    EXPECT_NE(std::string::npos, text.find("icmpv6 type nd-neighbor-solicit accept"));
}

TEST(router_ruleset, keeps_its_ports_to_redirected_traffic)
{
    const auto set = router_ruleset({});
    const auto& guarded = chain_named(set, "guarded");
    EXPECT_EQ(chain_hook::input, guarded.base->hook);
    for (const auto* text : {"tcp dport 15001 goto refuse", "tcp dport 15053 goto refuse", "udp dport 15053 goto refuse"})
        EXPECT_TRUE(has_rule(guarded, text)) << text;
}

TEST(capture_rulesets, queue_without_bypass_from_the_first_queue_on)
{
    router_options router;
    router.first_queue = 40;
    router.queues = 3;
    local_options local;
    local.first_queue = 40;
    local.queues = 3;
    std::size_t count = 0;
    for (const auto& set : {router_ruleset(router), local_ruleset(local)})
        for_each_queue(set, [&](const queue& q) {
            EXPECT_EQ(40, q.first);
            EXPECT_EQ(3, q.total);
            EXPECT_TRUE(q.by_cpu);
            ++count;
        });
    EXPECT_EQ(6, count);
}

TEST(capture_rulesets, never_exempt_packets_without_a_mark)
{
    router_options router;
    router.answer_mark = 0;
    EXPECT_DEATH(router_ruleset(router), "");
    local_options local;
    local.mark = 0;
    EXPECT_DEATH(local_ruleset(local), "");
    local = {};
    local.answer_mark = 0;
    EXPECT_DEATH(local_ruleset(local), "");
}

TEST(local_ruleset, drops_what_no_rule_names)
{
    const auto set = local_ruleset({});
    const auto& judged = chain_named(set, "judged");
    EXPECT_EQ(chain_hook::output, judged.base->hook);
    EXPECT_EQ(chain_policy::drop, judged.base->policy);
    EXPECT_EQ("goto refuse", to_string(judged.rules.back()));
    EXPECT_EQ(chain_policy::drop, chain_named(set, "forwarded").base->policy);
}

TEST(local_ruleset, exempts_its_own_marks_first)
{
    local_options options;
    options.mark = 0x10;
    options.answer_mark = 0x11;
    const auto set = local_ruleset(options);
    for (const auto* name : {"queued", "translated", "judged"})
        EXPECT_EQ("meta mark 0x00000010 accept", to_string(chain_named(set, name).rules[0])) << name;
    // Elsewhere than on loopback no answer of the gateway goes; to Docker's resolver neither, so "judged" exempts none.
    for (const auto* name : {"queued", "translated"})
        EXPECT_EQ("oifname \"lo\" meta mark 0x00000011 accept", to_string(chain_named(set, name).rules[1])) << name;
    EXPECT_TRUE(has_rule(chain_named(set, "tracked"), "oifname \"lo\" meta mark 0x00000011 notrack"));
}

TEST(local_ruleset, tells_the_gateways_flows_from_clients_with_the_same_ends)
{
    local_options options;
    options.mark = 0x10;
    const auto set = local_ruleset(options);
    const auto& tracked = chain_named(set, "tracked");
    EXPECT_EQ(chain_hook::output, tracked.base->hook);
    EXPECT_EQ(priority::raw, tracked.base->order); // before connection tracking looks
    EXPECT_EQ("meta mark 0x00000010 ct original zone set 3087", to_string(tracked.rules.back()));
}

TEST(local_ruleset, exempts_nothing_that_leaves_where_the_gateway_does_not_dial)
{
    local_options options;
    options.dials = false;
    const auto set = local_ruleset(options);
    EXPECT_EQ(std::string::npos, to_string(set).find("meta mark 0x000c0ffe"));
    for (const auto& each : set.chains)
        for (const auto& r : each.rules) {
            const auto text = to_string(r);
            EXPECT_TRUE(text.find("meta mark") == std::string::npos || text.starts_with("oifname \"lo\" ")) << text;
        }
    std::vector<std::string> accepted;
    for (const auto& r : chain_named(set, "judged").rules)
        if (to_string(r).ends_with("accept")) accepted.push_back(to_string(r));
    const std::string ours = "ct status dnat fib daddr type local ";
    EXPECT_EQ((std::vector<std::string>{ours + "tcp dport 15001 accept", ours + "tcp dport 15053 accept",
                                        ours + "udp dport 15053 accept", "oifname \"lo\" accept"}),
              accepted);
}

TEST(local_ruleset, answers_connections_from_outside_at_its_services_alone)
{
    local_options options;
    options.services = {9464};
    const auto set = local_ruleset(options);
    const auto& judged = chain_named(set, "judged");
    EXPECT_TRUE(has_rule(judged, "tcp sport 9464 ct direction reply accept"));
    EXPECT_FALSE(has_rule(judged, "ct direction reply accept"));
}

TEST(capture_rulesets, take_no_other_tables_nat_for_theirs)
{
    for (const auto& set : {router_ruleset({}), local_ruleset({})}) {
        for (const auto* port : {"tcp dport 15001", "tcp dport 15053", "udp dport 15053"})
            EXPECT_TRUE(
                has_rule(chain_named(set, "judged"), std::string("ct status dnat fib daddr type local ") + port + " accept"));
        EXPECT_FALSE(has_rule(chain_named(set, "judged"), "ct status dnat fib daddr type local accept"));
        EXPECT_FALSE(has_rule(chain_named(set, "judged"), "ct status dnat accept"));
    }
}

TEST(local_ruleset, marks_control_groups_before_all_else_the_deepest_first)
{
    local_options options;
    options.groups = {{{1, 11, "ci"}, 0x100}, {{3, 13, "ci/a/b"}, 0x101}, {{2, 12, "ci/a"}, 0x102}};
    const auto set = local_ruleset(options);
    const auto& attributed = chain_named(set, "attributed");
    EXPECT_EQ(chain_hook::output, attributed.base->hook);
    EXPECT_LT(attributed.base->order, chain_named(set, "queued").base->order);
    EXPECT_EQ("meta l4proto tcp ct direction reply accept", to_string(attributed.rules.at(2))) << "the gateway's own answers";
    const auto& grouped = chain_named(set, "grouped");
    ASSERT_EQ(4U, grouped.rules.size());
    const auto line = [](const char* group, const char* mark) {
        return std::string("socket cgroupv2 level ") + group + " meta mark set " + mark + " ct mark set " + mark + " accept";
    };
    EXPECT_EQ(line("3 \"ci/a/b\"", "0x00000101"), to_string(grouped.rules[0]));
    EXPECT_EQ(line("2 \"ci/a\"", "0x00000102"), to_string(grouped.rules[1]));
    EXPECT_EQ(line("1 \"ci\"", "0x00000100"), to_string(grouped.rules[2]));
    EXPECT_EQ("ct mark set 0x00000000", to_string(grouped.rules[3])) << "what is of none is not of whom the flow was before";
}

TEST(local_ruleset, without_control_groups_nothing_is_paid_for_them)
{
    for (const auto& each : group_chains({})) EXPECT_TRUE(each.rules.empty()) << each.name;
}

TEST(local_ruleset, judges_names_asked_of_loopback_too)
{
    const auto set = local_ruleset({});
    const auto position = [](const chain& c, const std::string& text) {
        const auto found = std::find_if(c.rules.begin(), c.rules.end(), [&](const rule& r) { return to_string(r) == text; });
        EXPECT_NE(c.rules.end(), found) << text;
        return found - c.rules.begin();
    };
    const auto& queued = chain_named(set, "queued");
    EXPECT_LT(position(queued, "oifname \"lo\" udp dport 53 queue to 1500"), position(queued, "oifname \"lo\" accept"));
    EXPECT_LT(position(queued, "oifname \"lo\" meta l4proto udp @th,80,8 & 0xf8 == 0x0 @th,96,48 0x100000000 queue to 1500"),
              position(queued, "oifname \"lo\" accept"));
    const auto& judged = chain_named(set, "judged");
    EXPECT_LT(position(judged, "ip daddr 127.0.0.11 goto refuse"), position(judged, "oifname \"lo\" accept"));
    const auto& translated = chain_named(set, "translated");
    EXPECT_LT(position(translated, "tcp dport 53 redirect to :15053"), position(translated, "oifname \"lo\" accept"));
    EXPECT_LT(translated.base->order, priority::destination_nat);
}

} // namespace
} // namespace cofferdam::nft
