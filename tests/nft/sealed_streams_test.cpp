#include "namespace_fixture.hpp"
#include "nft/io/original_dst.hpp"

#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>

namespace cofferdam::nft::test {
namespace {

/// Both ways of capture must look the same to the job and to the gateway.
class sealed_streams : public ::testing::TestWithParam<capture_method> {
protected:
    static sealed_network_options options()
    {
        sealed_network_options out;
        out.rules.capture = GetParam();
        return out;
    }
};

INSTANTIATE_TEST_SUITE_P(capture, sealed_streams, ::testing::Values(capture_method::tproxy, capture_method::redirect),
                         [](const auto& parameter) { return std::string(to_string(parameter.param)); });

void expect_arrival(const sealed_descriptors& sockets, const descriptor& listener, const ip_endpoint& dialled,
                    const ip_address& source)
{
    job client([&] {
        const auto a = dial(dialled);
        EXPECT_EQ(0, a.error) << dialled.to_string();
        char byte = 0;
        EXPECT_TRUE(wait_readable(a.socket.number(), 5000));
        EXPECT_EQ(1, ::recv(a.socket.number(), &byte, 1, 0));
    });
    const auto accepted = accept_one(listener);
    ASSERT_TRUE(accepted) << dialled.to_string();
    EXPECT_EQ(dialled, original_dst(accepted.number()).value());
    EXPECT_EQ(source, peer_of(accepted).address);
    EXPECT_EQ(1, ::send(accepted.number(), "x", 1, MSG_NOSIGNAL));
    client.finish();
    EXPECT_TRUE(logged(sockets, 0).empty());
}

TEST_P(sealed_streams, tcp_to_any_address_arrives_with_what_was_dialled)
{
    in_namespace([] {
        const auto sockets = build_sealed_network(options());
        ASSERT_EQ(GetParam(), sockets.capture);
        const auto job_v4 = sealed_addresses{}.job_v4;
        for (const auto& to : {endpoint("93.184.216.34", 80), endpoint("8.8.8.8", 22), endpoint("169.254.169.254", 80),
                               endpoint("10.0.0.1", 443), endpoint("100.64.0.3", 443), endpoint("198.18.0.9", 5432)})
            expect_arrival(sockets, sockets.streams_v4.front(), to, job_v4);
    });
}

TEST_P(sealed_streams, ipv6_too)
{
    in_namespace([] {
        const auto sockets = build_sealed_network(options());
        ASSERT_TRUE(sockets.ipv6);
        const auto job_v6 = sealed_addresses{}.job_v6;
        for (const auto& to : {endpoint("2001:db8::5", 443), endpoint("fd00:ec2::254", 80), endpoint("2606:4700::1111", 853)})
            expect_arrival(sockets, sockets.streams_v6.front(), to, job_v6);
    });
}

TEST_P(sealed_streams, tcp_dns_goes_to_the_name_listener_wherever_it_was_sent)
{
    in_namespace([] {
        const auto sockets = build_sealed_network(options());
        const auto& a = sealed_addresses{};
        expect_arrival(sockets, sockets.names_tcp_v4, {a.gateway_v4, 53}, a.job_v4);
        expect_arrival(sockets, sockets.names_tcp_v4, endpoint("8.8.8.8", 53), a.job_v4);
        expect_arrival(sockets, sockets.names_tcp_v6, {a.gateway_v6, 53}, a.job_v6);
        expect_arrival(sockets, sockets.names_tcp_v6, endpoint("2001:db8::53", 53), a.job_v6);
    });
}

TEST_P(sealed_streams, v4_mapped_address_is_ipv4)
{
    in_namespace([] {
        const auto sockets = build_sealed_network(options());
        job client([] { EXPECT_EQ(0, dial(endpoint("::ffff:9.9.9.9", 443)).error); });
        const auto accepted = accept_one(sockets.streams_v4.front());
        ASSERT_TRUE(accepted);
        EXPECT_EQ(endpoint("9.9.9.9", 443), original_dst(accepted.number()).value());
        client.finish();
    });
}

TEST_P(sealed_streams, one_source_port_may_dial_two_destinations)
{
    in_namespace([] {
        const auto sockets = build_sealed_network(options());
        job client([] {
            const ip_endpoint from{sealed_addresses{}.job_v4, 5000};
            const auto first = dial(endpoint("93.184.216.34", 80), &from);
            const auto second = dial(endpoint("93.184.216.35", 80), &from);
            EXPECT_EQ(0, first.error);
            EXPECT_EQ(0, second.error);
            EXPECT_LT(second.seconds, 0.5);
        });
        for (const auto* address : {"93.184.216.34", "93.184.216.35"}) {
            const auto accepted = accept_one(sockets.streams_v4.front());
            ASSERT_TRUE(accepted);
            EXPECT_EQ(endpoint(address, 80), original_dst(accepted.number()).value());
        }
        client.finish();
    });
}

TEST_P(sealed_streams, the_gateways_own_ports_are_refused_and_recorded)
{
    in_namespace([] {
        const auto sockets = build_sealed_network(options());
        const auto& a = sealed_addresses{};
        const std::vector<ip_endpoint> own{
            {a.gateway_v4, 1}, {a.gateway_v4, 2}, {a.gateway_v4, 80}, {a.gateway_v6, 1}, {a.gateway_v6, 2}};
        job client([&] {
            for (const auto& to : own) {
                const auto result = dial(to);
                EXPECT_EQ(ECONNREFUSED, result.error) << to.to_string();
                EXPECT_LT(result.seconds, 0.5);
            }
        });
        client.finish();
        const auto packets = logged(sockets, own.size());
        ASSERT_EQ(own.size(), packets.size());
        for (std::size_t i = 0; i < own.size(); ++i) {
            EXPECT_EQ(own[i], packets[i].destination);
            EXPECT_EQ(protocol::tcp, packets[i].protocol);
        }
        EXPECT_FALSE(wait_readable(sockets.streams_v4.front().number(), 0));
    });
}

TEST_P(sealed_streams, foreign_source_addresses_are_refused_and_recorded)
{
    in_namespace([] {
        const auto sockets = build_sealed_network(options());
        const bool translated = GetParam() == capture_method::redirect;
        job client([&] {
            for (const auto* source : {"9.9.9.9", "100.64.0.1"}) {
                const auto from = endpoint(source, 0);
                EXPECT_EQ(translated ? 0 : ECONNREFUSED, dial(endpoint("93.184.216.34", 80), &from).error) << source;
            }
        });
        client.finish();
        // Translation keeps the addresses apart, so there the flow is the gateway's to judge; either way it is seen once.
        if (!translated)
            EXPECT_EQ(2U, logged(sockets, 2).size());
        else
            EXPECT_TRUE(accept_one(sockets.streams_v4.front()));
    });
}

TEST_P(sealed_streams, servers_of_the_job_are_reached_as_ever)
{
    in_namespace([] {
        const auto sockets = build_sealed_network(options());
        job both([] {
            for (const auto* address : {"127.0.0.1", "100.64.0.2", "::1", "127.0.0.53"}) {
                const auto at = endpoint(address, 80); // as an ordinary user, below 1024
                descriptor listener(::socket(at.address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM, 0));
                const int yes = 1;
                ::setsockopt(listener.number(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
                sockaddr_in v4{};
                v4.sin_family = AF_INET;
                v4.sin_port = htons(80);
                std::copy_n(at.address.bytes().data(), 4, reinterpret_cast<std::uint8_t*>(&v4.sin_addr));
                sockaddr_in6 v6{};
                v6.sin6_family = AF_INET6;
                v6.sin6_port = htons(80);
                v6.sin6_addr = in6addr_loopback;
                const auto* raw = at.address.is_v4() ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
                ASSERT_EQ(0, ::bind(listener.number(), raw, at.address.is_v4() ? sizeof v4 : sizeof v6)) << address;
                ASSERT_EQ(0, ::listen(listener.number(), 5));
                const auto client = dial(at);
                EXPECT_EQ(0, client.error) << address;
                EXPECT_TRUE(accept_one(listener));
            }
        });
        both.finish();
        EXPECT_TRUE(logged(sockets, 0).empty());
        EXPECT_FALSE(wait_readable(sockets.streams_v4.front().number(), 0));
    });
}

TEST_P(sealed_streams, the_job_cannot_join_the_listeners)
{
    in_namespace([] {
        const auto sockets = build_sealed_network(options());
        job thief([] {
            for (const std::uint16_t port : {std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{15}}) {
                descriptor s(::socket(AF_INET, SOCK_STREAM, 0));
                const int yes = 1;
                ::setsockopt(s.number(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
                ::setsockopt(s.number(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
                sockaddr_in at{};
                at.sin_family = AF_INET;
                at.sin_port = htons(port);
                at.sin_addr.s_addr = htonl(sealed_addresses{}.gateway_v4.v4_number());
                EXPECT_EQ(-1, ::bind(s.number(), reinterpret_cast<sockaddr*>(&at), sizeof at));
                EXPECT_EQ(EACCES, errno);
            }
            // Nor be transparent, nor mark its packets, nor make raw or packet sockets.
            descriptor s(::socket(AF_INET, SOCK_STREAM, 0));
            const int yes = 1;
            EXPECT_EQ(-1, ::setsockopt(s.number(), IPPROTO_IP, IP_TRANSPARENT, &yes, sizeof yes));
            EXPECT_EQ(-1, ::setsockopt(s.number(), SOL_SOCKET, SO_MARK, &yes, sizeof yes));
            EXPECT_EQ(-1, ::socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
            EXPECT_EQ(-1, ::socket(AF_PACKET, SOCK_RAW, 0));
        });
        thief.finish();
    });
}

TEST_P(sealed_streams, without_the_gateway_everything_is_refused_even_what_the_job_listens_on)
{
    in_namespace([] {
        auto sockets = build_sealed_network(options());
        sockets.streams_v4.clear();
        sockets.streams_v6.clear();
        sockets.names_tcp_v4.reset();
        sockets.names_udp_v4.reset();
        job orphan([] {
            descriptor own(::socket(AF_INET, SOCK_STREAM, 0));
            sockaddr_in any{};
            any.sin_family = AF_INET;
            any.sin_port = htons(443);
            ASSERT_EQ(0, ::bind(own.number(), reinterpret_cast<sockaddr*>(&any), sizeof any));
            ASSERT_EQ(0, ::listen(own.number(), 5));
            for (const auto& to : {endpoint("93.184.216.34", 443), endpoint("8.8.8.8", 53), endpoint("2001:db8::5", 80)}) {
                const auto result = dial(to);
                EXPECT_EQ(ECONNREFUSED, result.error) << to.to_string();
                EXPECT_LT(result.seconds, 0.5);
            }
            // A query waits for a verdict that nobody gives.
            EXPECT_EQ(ETIMEDOUT, ask({sealed_addresses{}.gateway_v4, 53}, "question").error);
        });
        orphan.finish();
    });
}

TEST_P(sealed_streams, listeners_share_the_load)
{
    in_namespace([] {
        auto wanted = options();
        wanted.listeners = 4;
        const auto sockets = build_sealed_network(wanted);
        constexpr int connections = 200;
        job clients([] {
            std::vector<attempt> open;
            for (int i = 0; i < connections; ++i) open.push_back(dial(endpoint("93.184.216.34", 443)));
            for (const auto& a : open) EXPECT_EQ(0, a.error);
        });
        clients.finish();
        int total = 0;
        for (const auto& listener : sockets.streams_v4) {
            int here = 0;
            while (wait_readable(listener.number(), 0) && accept_one(listener)) ++here;
            EXPECT_GT(here, connections / 16);
            total += here;
        }
        EXPECT_EQ(connections, total);
    });
}

} // namespace
} // namespace cofferdam::nft::test
