#include "namespace_fixture.hpp"
#include "nft/encode.hpp"
#include "nft/io/attached_network.hpp"
#include "nft/io/capture.hpp"
#include "nft/io/ruleset_watch.hpp"
#include "nft/io/unplug.hpp"
#include "nft/local_ruleset.hpp"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>

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
                EXPECT_EQ(std::to_string(n > 0 ? n + 1 : 0) + '\n', output_of(count)); // and one for what is of no group
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

TEST(capture, a_table_that_was_changed_is_another)
{
    in_namespace(
        [] {
            auto netfilter = netlink_socket::open(NETLINK_NETFILTER).value();
            const auto none = read_identity(netfilter).value();
            install(netfilter);
            const auto installed = read_identity(netfilter).value();
            EXPECT_NE(none, installed);
            output_of("nft add table ip other; nft add table inet other");
            EXPECT_EQ(installed, read_identity(netfilter).value());
            for (const auto* command :
                 {"nft flush chain inet cofferdam judged", "nft 'add chain inet cofferdam forwarded { policy accept; }'",
                  "nft 'add rule inet cofferdam forwarded accept'", "nft delete table inet cofferdam",
                  "nft 'add table inet cofferdam { flags dormant; }'"}) {
                install(netfilter);
                const auto before = read_identity(netfilter).value();
                EXPECT_EQ(before, read_identity(netfilter).value());
                output_of(command);
                EXPECT_NE(before, read_identity(netfilter).value()) << command;
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

/// Copies, as another process would get them.
std::vector<descriptor> copies_of(const std::vector<int>& numbers)
{
    std::vector<descriptor> out;
    for (const int each : numbers) out.emplace_back(::fcntl(each, F_DUPFD_CLOEXEC, 0));
    return out;
}

TEST(attached_network, sockets_are_what_was_sent_or_are_not_taken)
{
    in_namespace([] {
        const auto sockets = open_attached_sockets({});
        EXPECT_THROW(open_attached_sockets({}), sealed_network_error) << "there is a gateway already";
        const auto numbers = numbers_of(sockets);
        ASSERT_EQ(most_attached_sockets, numbers.size());
        const auto taken = assemble_attached(copies_of(numbers));
        ASSERT_TRUE(taken);
        EXPECT_EQ(numbers.size(), numbers_of(*taken).size());
        EXPECT_EQ(own_network().value(), network_of(taken->netfilter.number()).value());
        EXPECT_FALSE(assemble_attached({}));
        auto fewer = numbers;
        fewer.pop_back();
        EXPECT_FALSE(assemble_attached(copies_of(fewer)));
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            auto wrong = copies_of(numbers);
            wrong[i] = descriptor(::open("/dev/null", O_RDWR | O_CLOEXEC));
            EXPECT_FALSE(assemble_attached(std::move(wrong))) << i;
            wrong = copies_of(numbers);
            wrong[i] = descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            EXPECT_FALSE(assemble_attached(std::move(wrong))) << i;
        }
    });
}

TEST(attached_network, rules_are_kept_from_another_namespace)
{
    in_namespace(
        [] {
            auto made = open_ruleset_sockets();
            const descriptor netfilter_copy(made.netfilter.release()), watch_copy(made.watch.release());
            const auto inside = own_network().value();
            ASSERT_EQ(0, ::unshare(CLONE_NEWNET));
            EXPECT_NE(inside, own_network().value());
            netlink_socket netfilter(descriptor(::dup(netfilter_copy.number())));
            ruleset_watch watch(descriptor(::dup(watch_copy.number())), netfilter);
            install_ruleset(netfilter, [](queue_encoding queueing) {
                auto options = attached_options();
                options.queueing = queueing;
                return local_ruleset(options);
            });
            EXPECT_FALSE(wait_readable(watch.number(), 100) && watch.take()) << "our own change";
            EXPECT_EQ("", output_of("nft list tables")) << "not in this one";
            EXPECT_TRUE(remove_own_table(netfilter));
        },
        seen_as::root);
}

TEST(unplug_interfaces, leaves_routes_and_no_wire)
{
    in_namespace(
        [] {
            ASSERT_EQ("", output_of("ip link set lo up && ip link add eth0 type veth peer name eth1 && ip link set eth1 up && "
                                    "ip link set eth0 up && ip addr add 10.1.2.3/24 dev eth0 && "
                                    "ip addr add 2001:db8::3/64 dev eth0 nodad && ip route add default via 10.1.2.1 && "
                                    "ip -6 route add default via 2001:db8::1 2>&1"));
            for (int n = 0; n < 2; ++n) {
                unplug_interfaces();
                EXPECT_EQ("", output_of("ip -o link show eth0 up; ip -o link show eth1 up"));
                EXPECT_EQ("default dev cofferdam0 scope link \n", output_of("ip route show default"));
                EXPECT_EQ(0, output_of("ip -6 route show default").find("default dev cofferdam0 "));
                EXPECT_EQ(0, output_of("ip -o route get 8.8.8.8").find("8.8.8.8 dev cofferdam0 src 100.64.0.2 "));
                EXPECT_EQ(0, output_of("ip -o route get 10.1.2.9").find("10.1.2.9 dev cofferdam0 src 100.64.0.2 "));
                EXPECT_EQ(0, output_of("ip -o route get 10.1.2.3").find("local 10.1.2.3 dev lo ")) << "its own";
                EXPECT_NE(std::string::npos, output_of("ip -o route get 2606::1").find("dev cofferdam0 "));
                output_of("ip link set eth0 up");
            }
        },
        seen_as::root);
}

} // namespace
} // namespace cofferdam::nft::test
