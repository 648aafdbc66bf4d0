#include "namespace_fixture.hpp"
#include "nft/encode.hpp"
#include "nft/io/netlink.hpp"
#include "nft/local_ruleset.hpp"
#include "nft/router_ruleset.hpp"

#include <array>
#include <cerrno>
#include <fstream>
#include <linux/netlink.h>

namespace cofferdam::nft::test {
namespace {

netlink_outcome commit(const ruleset& set)
{
    auto socket = netlink_socket::open(NETLINK_NETFILTER);
    return socket->commit(encode_ruleset(set).value());
}

/// nft's listing of what we sent, and of what nft itself makes of our text, must both be our text.
void expect_same_as_nft(const ruleset& set)
{
    const auto outcome = commit(set);
    ASSERT_FALSE(outcome.error) << outcome.error.message() << ": " << outcome.request;
    EXPECT_EQ(to_string(set), output_of("nft list ruleset"));
    ASSERT_EQ("", output_of("nft flush ruleset 2>&1"));
    auto* pipe = ::popen("nft -f -", "w");
    ASSERT_NE(nullptr, pipe);
    const auto text = to_string(set);
    std::fwrite(text.data(), 1, text.size(), pipe);
    ASSERT_EQ(0, ::pclose(pipe));
    EXPECT_EQ(to_string(set), output_of("nft list ruleset"));
}

ruleset filter_rules(std::vector<rule> rules)
{
    return {
        "t",
        {{"helper", std::nullopt, {}},
         {"c", chain_base{chain_kind::filter, chain_hook::output, priority::filter, chain_policy::accept}, std::move(rules)}}};
}

const verdict accept{verdict_code::accept, {}};

ruleset with_drop_for_queue(ruleset set)
{
    for (auto& c : set.chains)
        for (auto& r : c.rules)
            if (std::holds_alternative<queue>(r.back())) r.back() = verdict{verdict_code::drop, {}};
    return set;
}

TEST(listing, sealed_rulesets_read_back_as_printed)
{
    for (const auto capture : {capture_method::tproxy, capture_method::redirect})
        for (const bool ipv6 : {true, false})
            in_namespace(
                [=] {
                    sealed_options options;
                    options.capture = capture;
                    options.ipv6 = ipv6;
                    options.udp_ports = {3478, 123};
                    // Not each kernel has the expression, and nft can't print the target; both are tested below.
                    expect_same_as_nft(with_drop_for_queue(sealed_ruleset(options)));
                },
                seen_as::root);
}

TEST(listing, rulesets_of_serve_read_back_as_printed)
{
    in_namespace(
        [] {
            router_options router;
            router.interfaces = {"build0", "build1"};
            router.services = {3128};
            router.udp_ports = {123};
            expect_same_as_nft(with_drop_for_queue(router_ruleset(router)));
            expect_same_as_nft(with_drop_for_queue(router_ruleset({})));
            local_options local;
            local.services = {9464};
            expect_same_as_nft(with_drop_for_queue(local_ruleset(local)));
        },
        seen_as::root);
}

TEST(listing, each_expression_reads_back_as_printed)
{
    in_namespace(
        [] {
            const auto v4 = ip_prefix::parse("10.1.2.0/23").value();
            const auto v6 = ip_prefix::parse("fd00:cd::/61").value();
            expect_same_as_nft(filter_rules({
                {match_family{protocol_family::ipv6}, match_protocol{protocol::udp, true}, accept},
                {match_interface{packet_end::destination, "lo"}, verdict{verdict_code::drop, {}}},
                {match_interface{packet_end::source, "br-*"}, match_interface{packet_end::destination, "br-*", true}, accept},
                {match_address{packet_end::source, v4}, match_address{packet_end::destination, v4, true}, accept},
                {match_address{packet_end::destination, v6}, verdict{verdict_code::jump, "helper"}},
                {match_address{packet_end::source, ip_prefix::parse("192.0.2.1").value(), true},
                 verdict{verdict_code::go_to, "helper"}},
                {match_port{protocol::udp, packet_end::source, 53, true}, accept},
                {match_tcp_flags{0x06}, accept},
                {match_unreachable{protocol_family::ipv4}, accept},
                {match_unreachable{protocol_family::ipv6}, accept},
                {match_icmpv6_type{icmpv6_type::listener_query}, match_local_destination{}, accept},
                {match_icmpv6_type{icmpv6_type::router_solicit}, accept},
                {match_icmpv6_type{icmpv6_type::neighbour_advert}, accept},
                {match_icmpv6_type{icmpv6_type::listener_report}, accept},
                {match_dnat_status{}, accept},
                {match_reply{}, accept},
                {match_port{protocol::udp, packet_end::destination, 53, true}, match_query_shape{}, accept},
                {match_protocol{protocol::udp}, match_query_shape{}, counter{}},
                {match_mark{mark_of::packet, 7}, match_mark{mark_of::flow, 8}, match_mark{mark_of::socket, 9}, accept},
                {set_mark{mark_of::packet, 7}, set_mark{mark_of::flow, 8}, accept},
                {set_flow_zone{3087}, accept},
                {log_packet{2, "why", 64}, counter{}, verdict{verdict_code::return_to_caller, {}}},
                {match_protocol{protocol::tcp}, reject{refusal::tcp_reset}},
                {reject{refusal::port_unreachable}},
            }));
        },
        seen_as::root);
}

TEST(listing, queues_by_the_target_and_what_the_kernel_says_to_the_expression)
{
    in_namespace(
        [] {
            const auto set = filter_rules({{match_protocol{protocol::udp}, queue{7, 2, false, queue_encoding::target}},
                                           {queue{3, 1, false, queue_encoding::target}}});
            const auto outcome = commit(set);
            ASSERT_FALSE(outcome.error) << outcome.error.message() << ": " << outcome.request;
            // nft cannot always print the target in family inet, but it can dump the expressions that the kernel holds.
            const std::string dump = "nft --debug=netlink list ruleset 2>/dev/null";
            const auto listing = output_of(dump);
            EXPECT_NE(std::string::npos, listing.find("[ target name NFQUEUE rev 3 ]")) << listing;
            const auto native = commit(filter_rules({{queue{7, 2, false, queue_encoding::native}}}));
            // Kernels with CONFIG_NFT_QUEUE take it; the others say which request they did not understand.
            if (native.error) {
                EXPECT_EQ(ENOENT, native.error.value());
                EXPECT_EQ("rule 'queue to 7-8' of chain c", native.request);
                EXPECT_EQ(listing, output_of(dump)) << "a refused batch must change nothing";
            }
        },
        seen_as::root);
}

TEST(listing, a_batch_replaces_the_table_and_leaves_others)
{
    in_namespace(
        [] {
            output_of("nft add table ip other");
            ASSERT_FALSE(commit(filter_rules({{accept}})).error);
            ASSERT_FALSE(commit(filter_rules({{counter{}}})).error);
            EXPECT_EQ("table ip other {\n}\n" + to_string(filter_rules({{counter{}}})), output_of("nft list ruleset"));
            auto socket = netlink_socket::open(NETLINK_NETFILTER);
            EXPECT_FALSE(socket->commit(encode_removal("t").value()).error);
            EXPECT_EQ(ENOENT, socket->commit(encode_removal("t").value()).error.value());
            EXPECT_EQ("table ip other {\n}\n", output_of("nft list ruleset"));
        },
        seen_as::root);
}

TEST(sealed_network, sockets_can_be_carried_to_another_process)
{
    in_namespace([] {
        sealed_network_options options;
        options.listeners = 3;
        options.rules.udp_ports = {123, 3478};
        options.rules.queues = 2;
        auto made = build_sealed_network(options);
        const auto layout = layout_of(made);
        const auto numbers = numbers_of(made);
        ASSERT_EQ(count_of(layout), numbers.size());
        EXPECT_EQ(2U * 3 + 4 + 2 * 2 + 2 + 2 + 2, numbers.size());
        std::vector<int> copies;
        for (const int n : numbers) copies.push_back(::dup(n));
        const auto taken = assemble(layout, copies).value();
        EXPECT_EQ(copies, numbers_of(taken));
        EXPECT_EQ(3478, taken.relays[1].port);
        EXPECT_EQ(made.queueing, taken.queueing);
        ASSERT_EQ(2U, taken.queues.size());
        EXPECT_EQ(copies.back(), taken.answers_v6.number());
        const std::vector<int> few{::dup(numbers.front())};
        EXPECT_EQ(errc::malformed, assemble(layout, few).error());
        EXPECT_EQ(-1, ::dup(few.front())) << "taken over, so closed";
    });
}

TEST(sealed_network, senseless_options_and_missing_rights_are_named)
{
    sealed_network_options options;
    options.rules.stream_port = 15001;
    EXPECT_THROW(build_sealed_network(options), std::invalid_argument);
    options = {};
    options.listeners = 0;
    EXPECT_THROW(build_sealed_network(options), std::invalid_argument);
    for (const auto queues : std::array<std::uint16_t, 2>{0, 17}) {
        options = {};
        options.rules.queues = queues;
        EXPECT_THROW(build_sealed_network(options), std::invalid_argument);
    }
    options = {};
    options.rules.udp_ports = {123, 123};
    EXPECT_THROW(build_sealed_network(options), std::invalid_argument);
    in_namespace([] {
        job powerless([] {
            try {
                build_sealed_network({});
                ADD_FAILURE() << "a job must not be able to";
            }
            catch (const sealed_network_error& e) {
                EXPECT_EQ(EPERM, e.code().value());
                EXPECT_NE(std::string::npos, std::string(e.what()).find("cannot raise lo")) << e.what();
            }
        });
        powerless.finish();
    });
}

TEST(sealed_network, a_job_cannot_change_the_rules)
{
    in_namespace([] {
        const auto sockets = build_sealed_network({});
        job rebel([] {
            const auto outcome = commit(ruleset{own_table, {}});
            EXPECT_EQ(EPERM, outcome.error.value()) << outcome.request;
        });
        rebel.finish();
    });
}

} // namespace
} // namespace cofferdam::nft::test
