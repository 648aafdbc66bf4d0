#include "namespace_fixture.hpp"
#include "nft/encode.hpp"
#include "nft/io/capture.hpp"
#include "nft/io/ruleset_watch.hpp"
#include "nft/local_ruleset.hpp"

#include <linux/netlink.h>

namespace cofferdam::nft::test {
namespace {

std::optional<ruleset_events> next_change(ruleset_watch& watch)
{
    return wait_readable(watch.number(), 2000) ? watch.take() : std::nullopt;
}

queue_encoding install(netlink_socket& netfilter)
{
    return install_ruleset(netfilter, [](queue_encoding queueing) {
        router_options options;
        options.queueing = queueing;
        return router_ruleset(options);
    });
}

TEST(capture, rulesets_are_installed_replaced_and_removed)
{
    in_namespace(
        [] {
            auto netfilter = netlink_socket::open(NETLINK_NETFILTER).value();
            EXPECT_FALSE(remove_own_table(netfilter));
            install(netfilter);
            install(netfilter);
            EXPECT_EQ("table inet cofferdam\n", output_of("nft list tables"));
            EXPECT_TRUE(remove_own_table(netfilter));
            EXPECT_EQ("", output_of("nft list tables"));
        },
        seen_as::root);
}

local_options with_groups(std::uint32_t count)
{
    local_options out;
    for (std::uint32_t n = 0; n < count; ++n) out.groups.push_back({{1 + n % 250, 1000 + n, "g" + std::to_string(n)}, 0x100 + n});
    return out;
}

TEST(capture, the_rules_of_control_groups_change_alone)
{
    in_namespace(
        [] {
            auto netfilter = netlink_socket::open(NETLINK_NETFILTER).value();
            EXPECT_THROW(replace_rules(netfilter, group_chains({})), sealed_network_error) << "there is no table";
            install_ruleset(netfilter, [](queue_encoding queueing) {
                local_options options;
                options.queueing = queueing;
                return local_ruleset(options);
            });
            const std::string count = "nft --debug=netlink list chain inet cofferdam grouped | grep -c 'ct set mark' || true";
            EXPECT_EQ("0\n", output_of(count));
            constexpr std::uint32_t most = 512; // serve.max_control_groups
            for (const std::uint32_t n : {1U, 256U, most, 2U, 0U}) {
                replace_rules(netfilter, group_chains(with_groups(n)));
                EXPECT_EQ(std::to_string(n) + '\n', output_of(count));
            }
        },
        seen_as::root);
}

TEST(capture, what_the_kernel_refuses_changes_nothing)
{
    in_namespace(
        [] {
            auto netfilter = netlink_socket::open(NETLINK_NETFILTER).value();
            install(netfilter);
            const auto before = output_of("nft --debug=netlink list ruleset 2>/dev/null");
            EXPECT_THROW(install_ruleset(netfilter,
                                         [](queue_encoding) {
                                             router_options options;
                                             options.interfaces = {"a name that no interface can have"};
                                             return router_ruleset(options);
                                         }),
                         sealed_network_error);
            EXPECT_EQ(before, output_of("nft --debug=netlink list ruleset 2>/dev/null"));
        },
        seen_as::root);
}

TEST(capture, sockets_are_made_for_both_families)
{
    in_namespace([] {
        const auto sockets = open_capture_sockets({}, {}, 2);
        EXPECT_EQ(2, sockets.streams_v4.size());
        EXPECT_EQ(2, sockets.streams_v6.size());
        EXPECT_TRUE(sockets.names_udp_v4 && sockets.names_udp_v6 && sockets.names_tcp_v4 && sockets.names_tcp_v6);
        EXPECT_TRUE(sockets.log && sockets.answers_v4 && sockets.answers_v6);
        EXPECT_EQ(1, sockets.queues.size());
        EXPECT_THROW(open_capture_sockets({}, {}, 1), sealed_network_error) << "the queue is taken";
    });
}

TEST(capture, changes_by_others_are_told_and_our_own_are_not)
{
    in_namespace(
        [] {
            auto netfilter = netlink_socket::open(NETLINK_NETFILTER).value();
            ruleset_watch watch(netfilter);
            install(netfilter);
            EXPECT_FALSE(wait_readable(watch.number(), 100) && watch.take());
            for (const auto* command : {"nft add rule inet cofferdam forwarded accept", "nft flush chain inet cofferdam judged",
                                        "nft delete table inet cofferdam"}) {
                ASSERT_EQ("", output_of(std::string(command) + " 2>&1"));
                const auto change = next_change(watch);
                ASSERT_TRUE(change) << command;
                EXPECT_EQ("nft", change->process);
                EXPECT_GT(change->pid, 0);
            }
            install(netfilter);
            ASSERT_EQ("", output_of("nft add table ip other && nft flush ruleset ip 2>&1"));
            EXPECT_FALSE(wait_readable(watch.number(), 100) && watch.take()) << "none of our business";
            ASSERT_EQ("", output_of("nft flush ruleset 2>&1"));
            EXPECT_TRUE(next_change(watch));
        },
        seen_as::root);
}

} // namespace
} // namespace cofferdam::nft::test
