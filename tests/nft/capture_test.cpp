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

TEST(capture, a_table_that_was_changed_is_another)
{
    in_namespace(
        [] {
            const auto none = read_identity().value();
            auto netfilter = netlink_socket::open(NETLINK_NETFILTER).value();
            install(netfilter);
            const auto installed = read_identity().value();
            EXPECT_NE(none, installed);
            output_of("nft add table ip other; nft add table inet other");
            EXPECT_EQ(installed, read_identity().value());
            for (const auto* command :
                 {"nft flush chain inet cofferdam judged", "nft 'add chain inet cofferdam forwarded { policy accept; }'",
                  "nft 'add rule inet cofferdam forwarded accept'", "nft delete table inet cofferdam",
                  "nft 'add table inet cofferdam { flags dormant; }'"}) {
                install(netfilter);
                const auto before = read_identity().value();
                EXPECT_EQ(before, read_identity().value());
                output_of(command);
                EXPECT_NE(before, read_identity().value()) << command;
            }
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

TEST(capture, exclusive_listeners_are_shared_with_nobody)
{
    in_namespace([] {
        const auto joins = [](bool exclusive) {
            const auto listeners = listen_for(gateway_sockets({}), {ip_address(), 15001}, 2, exclusive);
            EXPECT_EQ(2, listeners.size());
            try {
                gateway_sockets({}).stream_listener({ip_address(), 15001}, true);
                return true;
            }
            catch (const sealed_network_error&) {
                return false;
            }
        };
        EXPECT_TRUE(joins(false));
        EXPECT_FALSE(joins(true));
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
