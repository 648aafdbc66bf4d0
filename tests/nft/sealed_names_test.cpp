#include "namespace_fixture.hpp"

#include <cerrno>

namespace cofferdam::nft::test {
namespace {

TEST(sealed_names, udp_dns_is_answered_from_the_address_that_was_asked)
{
    in_namespace([] {
        auto sockets = build_sealed_network({});
        const queue_consumer consumer(sockets);
        const auto& a = sealed_addresses{};
        const std::vector<ip_endpoint> servers{
            {a.gateway_v4, 53}, endpoint("8.8.8.8", 53), {a.gateway_v6, 53}, endpoint("2001:db8::53", 53)};
        for (const auto& server : servers) {
            // The client's socket is connected, so that it takes an answer from no other address and port.
            job client([&] {
                const auto result = ask(server, "question");
                EXPECT_EQ(0, result.error) << server.to_string();
                EXPECT_EQ("answer", result.answer);
            });
            EXPECT_EQ("question", answer_one(server.address.is_v4() ? sockets.names_udp_v4 : sockets.names_udp_v6, "answer"));
            client.finish();
        }
        EXPECT_TRUE(logged(sockets, 0).empty());
    });
}

TEST(sealed_names, name_servers_on_the_jobs_loopback_are_its_own)
{
    in_namespace([] {
        const auto sockets = build_sealed_network({});
        job client([] {
            for (const auto* address : {"127.0.0.53", "127.0.0.11", "::1"})
                EXPECT_EQ(ECONNREFUSED, ask(endpoint(address, 53), "q").error);
        });
        client.finish();
        EXPECT_FALSE(wait_readable(sockets.names_udp_v4.number(), 0));
    });
}

TEST(sealed_relays, a_listed_udp_port_reaches_its_socket_with_the_destination)
{
    in_namespace([] {
        sealed_network_options options;
        options.rules.udp_ports = {123, 53, 3478};
        auto sockets = build_sealed_network(options);
        const queue_consumer consumer(sockets);
        ASSERT_EQ(2U, sockets.relays.size());
        const auto& relay = sockets.relays.front();
        ASSERT_EQ(123, relay.port);
        for (const auto& server : {endpoint("162.159.200.1", 123), endpoint("2606:4700:f1::1", 123)}) {
            job client([&] {
                const auto result = ask(server, "time?");
                EXPECT_EQ(0, result.error) << server.to_string();
                EXPECT_EQ("now", result.answer);
            });
            const auto number = server.address.is_v4() ? relay.v4.number() : relay.v6.number();
            ASSERT_TRUE(wait_readable(number, 5000));
            std::array<std::uint8_t, 100> buffer{};
            const auto got = receive_datagram(number, buffer);
            ASSERT_TRUE(got.has_value()) << got.error().message();
            EXPECT_EQ("time?", as_text(byte_view(buffer).first(got->size)));
            EXPECT_EQ(server.address, got->destination);
            const auto& a = sealed_addresses{};
            EXPECT_EQ(server.address.is_v4() ? a.job_v4 : a.job_v6, got->client.address);
            EXPECT_FALSE(send_datagram(number, as_bytes("now"), got->destination, got->client));
            client.finish();
        }
        EXPECT_TRUE(logged(sockets, 0).empty());
    });
}

TEST(sealed_relays, own_addresses_do_not_reach_the_relay)
{
    in_namespace([] {
        sealed_network_options options;
        options.rules.udp_ports = {123};
        auto sockets = build_sealed_network(options);
        const queue_consumer consumer(sockets);
        const std::vector<ip_endpoint> own{endpoint("127.0.0.1", 123), endpoint("100.64.0.1", 123), endpoint("100.64.0.2", 123),
                                           endpoint("::1", 123)};
        job client([&] {
            for (const auto& to : own) EXPECT_NE(0, ask(to, "x").error) << to.to_string();
        });
        client.finish();
        EXPECT_EQ(own.size(), logged(sockets, own.size()).size());
        EXPECT_FALSE(wait_readable(sockets.relays.front().v4.number(), 0));
    });
}

} // namespace
} // namespace cofferdam::nft::test
