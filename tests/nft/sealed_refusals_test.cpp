#include "namespace_fixture.hpp"
#include "nft/ruleset.hpp"

#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace cofferdam::nft::test {
namespace {

void expect_one(const sealed_descriptors& sockets, std::uint8_t protocol, const ip_endpoint& destination)
{
    const auto packets = logged(sockets, 1);
    ASSERT_EQ(1U, packets.size()) << destination.to_string();
    EXPECT_EQ(protocol_name(protocol), protocol_name(packets[0].protocol));
    EXPECT_EQ(destination, packets[0].destination);
    EXPECT_EQ(refused_prefix, packets[0].prefix);
    EXPECT_EQ(::getuid(), packets[0].uid.value_or(0));
}

TEST(sealed_refusals, udp_is_refused_at_once_and_recorded)
{
    in_namespace([] {
        const auto sockets = build_sealed_network({});
        for (const auto& to : {endpoint("8.8.8.8", 443), endpoint("8.8.8.8", 853), endpoint("224.0.0.251", 5353),
                               endpoint("224.0.0.252", 5355), endpoint("255.255.255.255", 67), endpoint("100.64.0.1", 2),
                               endpoint("100.64.0.1", 443), endpoint("2001:db8::5", 443), endpoint("fd00:cd::1", 2),
                               endpoint("162.159.200.1", 123), endpoint("::ffff:8.8.8.8", 443)}) {
            job client([&] {
                const auto result = ask(to, "hello");
                EXPECT_TRUE(result.error == EPERM || result.error == ECONNREFUSED) << to.to_string() << ' ' << result.error;
                EXPECT_LT(result.seconds, 0.5);
            });
            client.finish();
            expect_one(sockets, protocol::udp, {to.address.unmapped(), to.port});
        }
    });
}

TEST(sealed_refusals, every_way_to_send_a_datagram_is_seen_alike)
{
    in_namespace([] {
        const auto sockets = build_sealed_network({});
        job client([] {
            descriptor s(::socket(AF_INET, SOCK_DGRAM, 0));
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_port = htons(4433);
            to.sin_addr.s_addr = htonl(0x08080808);
            char text[] = "hello";
            iovec part{text, 5};
            mmsghdr many[2] = {};
            for (auto& m : many) {
                m.msg_hdr.msg_name = &to;
                m.msg_hdr.msg_namelen = sizeof to;
                m.msg_hdr.msg_iov = &part;
                m.msg_hdr.msg_iovlen = 1;
            }
            const auto* address = reinterpret_cast<sockaddr*>(&to);
            EXPECT_EQ(-1, ::sendto(s.number(), text, 5, 0, address, sizeof to));
            EXPECT_EQ(EPERM, errno);
            EXPECT_EQ(-1, ::sendmsg(s.number(), &many[0].msg_hdr, 0));
            EXPECT_EQ(-1, ::sendmmsg(s.number(), many, 2, 0));
            ASSERT_EQ(0, ::connect(s.number(), address, sizeof to));
            EXPECT_EQ(-1, ::send(s.number(), text, 5, 0));
        });
        client.finish();
        const auto packets = logged(sockets, 4);
        ASSERT_EQ(4U, packets.size()); // sendmmsg stops at its first failure
        for (const auto& p : packets) EXPECT_EQ(endpoint("8.8.8.8", 4433), p.destination);
        for (const auto& p : packets) EXPECT_EQ(20U + 8U + 5U, p.length);
    });
}

TEST(sealed_refusals, a_datagram_socket_that_was_allowed_once_is_judged_again)
{
    in_namespace([] {
        auto sockets = build_sealed_network({});
        const queue_consumer consumer(sockets);
        job client([] {
            descriptor s(::socket(AF_INET, SOCK_DGRAM, 0));
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_addr.s_addr = htonl(0x08080808);
            to.sin_port = htons(53);
            EXPECT_EQ(1, ::sendto(s.number(), "q", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to));
            to.sin_port = htons(54);
            EXPECT_EQ(-1, ::sendto(s.number(), "q", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to));
        });
        EXPECT_EQ("q", answer_one(sockets.names_udp_v4, "a"));
        client.finish();
        expect_one(sockets, protocol::udp, endpoint("8.8.8.8", 54));
    });
}

TEST(sealed_refusals, ping_is_refused_and_recorded)
{
    in_namespace([] {
        const auto sockets = build_sealed_network({});
        const char echo_v4[] = {8, 0, 0, 0, 0, 1, 0, 1, 'h', 'i'};
        const char echo_v6[] = {static_cast<char>(128), 0, 0, 0, 0, 1, 0, 1, 'h', 'i'};
        for (const auto* address : {"8.8.8.8", "100.64.0.1", "2001:db8::5"}) {
            const auto to = endpoint(address, 0);
            const bool v4 = to.address.is_v4();
            job client([&] {
                const std::string_view echo(v4 ? echo_v4 : echo_v6, sizeof echo_v4);
                const int error = ask(to, echo, v4 ? protocol::icmp : protocol::icmpv6).error;
                EXPECT_TRUE(error == EPERM || error == EACCES) << address << ' ' << error;
            });
            client.finish();
            expect_one(sockets, v4 ? protocol::icmp : protocol::icmpv6, to);
        }
        job own(
            [&] { EXPECT_EQ(0, ask(endpoint("127.0.0.1", 0), std::string_view(echo_v4, sizeof echo_v4), IPPROTO_ICMP).error); });
        own.finish();
    });
}

TEST(sealed_refusals, udp_lite_is_refused_and_recorded)
{
    in_namespace([] {
        const auto sockets = build_sealed_network({});
        const auto to = endpoint("8.8.8.8", 99);
        job client([&] { EXPECT_EQ(EPERM, ask(to, "x", IPPROTO_UDPLITE).error); });
        client.finish();
        expect_one(sockets, 136, to);
    });
}

TEST(sealed_refusals, other_transports_have_no_socket_or_no_way_out)
{
    in_namespace([] {
        const auto sockets = build_sealed_network({});
        job client([] {
            EXPECT_EQ(-1, ::socket(AF_INET, SOCK_RAW, IPPROTO_GRE));
            EXPECT_EQ(-1, ::socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
            const descriptor sctp(::socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
            if (!sctp) return; // no SCTP in this kernel
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_port = htons(99);
            to.sin_addr.s_addr = htonl(0x08080808);
            EXPECT_EQ(-1, ::connect(sctp.number(), reinterpret_cast<sockaddr*>(&to), sizeof to));
        });
        client.finish();
    });
}

TEST(sealed_refusals, a_dns_question_to_another_port_is_kept)
{
    in_namespace([] {
        const auto sockets = build_sealed_network({});
        job client([] { EXPECT_NE(0, ask(endpoint("8.8.8.8", 5353), "\x12\x34 nonce.example").error); });
        client.finish();
        const auto packets = logged(sockets, 1);
        ASSERT_EQ(1U, packets.size());
        EXPECT_EQ("\x12\x34 nonce.example", as_text(packets[0].payload));
    });
}

TEST(sealed_refusals, what_the_log_could_not_keep_is_counted)
{
    in_namespace([] {
        sealed_network_options options;
        options.log_buffer = 4096;
        const auto sockets = build_sealed_network(options);
        constexpr std::uint64_t sent = 500;
        job client([] {
            descriptor s(::socket(AF_INET, SOCK_DGRAM, 0));
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_port = htons(443);
            to.sin_addr.s_addr = htonl(0x08080808);
            for (std::uint64_t i = 0; i < sent; ++i)
                EXPECT_EQ(-1, ::sendto(s.number(), "x", 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to));
        });
        client.finish();
        log_sequence sequence;
        std::uint64_t kept = 0;
        const auto count = [&](const std::vector<refused_packet>& packets) {
            for (const auto& p : packets) sequence.observe(p.sequence.value());
            kept += packets.size();
        };
        count(logged(sockets, 1));
        EXPECT_LT(kept, sent);
        // The next packet that does get through shows the gap.
        job last([] { EXPECT_NE(0, ask(endpoint("8.8.8.8", 443), "x").error); });
        last.finish();
        count(logged(sockets, 1));
        EXPECT_EQ(sent + 1, kept + sequence.lost());
    });
}

} // namespace
} // namespace cofferdam::nft::test
