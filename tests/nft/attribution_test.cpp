#include "namespace_fixture.hpp"
#include "nft/io/attribution.hpp"
#include "nft/io/original_dst.hpp"

#include <csignal>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cofferdam::nft::test {
namespace {

constexpr std::uint8_t udp_number = protocol::udp, tcp_number = protocol::tcp;

std::string own_exe()
{
    std::array<char, 4096> path{};
    const auto size = ::readlink("/proc/self/exe", path.data(), path.size());
    return {path.data(), static_cast<std::size_t>(size)};
}

void expect_found(process_finder& finder, const descriptor& listener, const ip_endpoint& to)
{
    const auto accepted = accept_one(listener);
    ASSERT_TRUE(accepted);
    const auto dialled = original_dst(accepted.number()).value();
    EXPECT_EQ(to.port, dialled.port);
    const auto found = finder.find(tcp_number, peer_of(accepted), dialled);
    ASSERT_NE(nullptr, found) << to.to_string();
    EXPECT_EQ(own_exe(), found->exe);
    ASSERT_FALSE(found->cmdline.empty());
    EXPECT_NE(std::string::npos, found->cmdline[0].find("nft_io_test"));
    EXPECT_EQ(::getuid(), found->uid);
    EXPECT_NE(::getpid(), found->pid);
    EXPECT_EQ(1, ::send(accepted.number(), "x", 1, MSG_NOSIGNAL));
}

TEST(attribution, finds_the_process_of_a_tcp_flow)
{
    for (const auto capture : {capture_method::tproxy, capture_method::redirect})
        in_namespace([=] {
            sealed_network_options options;
            options.rules.capture = capture;
            const auto sockets = build_sealed_network(options);
            process_finder finder(sockets.diagnostics.number(), {});
            for (const auto& to :
                 {endpoint("93.184.216.34", 80), endpoint("::ffff:9.9.9.9", 443), endpoint("2001:db8::5", 443)}) {
                job client([&] {
                    const auto a = dial(to);
                    EXPECT_EQ(0, a.error);
                    EXPECT_TRUE(wait_readable(a.socket.number(), 5000));
                });
                const bool v4 = to.address.unmapped().is_v4();
                expect_found(finder, v4 ? sockets.streams_v4.front() : sockets.streams_v6.front(), to);
                client.finish();
            }
        });
}

TEST(attribution, finds_the_process_of_a_udp_socket_connected_or_not)
{
    in_namespace([] {
        const auto sockets = build_sealed_network({});
        process_finder finder(sockets.diagnostics.number(), {});
        descriptor s(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        descriptor connected(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const auto refused = ask(endpoint("8.8.8.8", 443), "x"); // connected, and still open
        auto packets = logged(sockets, 1);
        ASSERT_EQ(1U, packets.size());
        auto found = finder.find(udp_number, packets[0].source, packets[0].destination);
        ASSERT_NE(nullptr, found);
        EXPECT_EQ(::getpid(), found->pid);
        // A socket that only sends to: bound by its first datagram, to no address.
        const auto to = endpoint("8.8.4.4", 4433);
        const std::uint8_t address[] = {2, 0, 4433 >> 8, 4433 & 255, 8, 8, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0};
        sockaddr raw{};
        static_assert(sizeof raw == sizeof address);
        std::copy_n(address, sizeof address, reinterpret_cast<std::uint8_t*>(&raw));
        EXPECT_EQ(-1, ::sendto(s.number(), "x", 1, 0, &raw, sizeof raw));
        packets = logged(sockets, 1);
        ASSERT_EQ(1U, packets.size());
        EXPECT_EQ(to, packets[0].destination);
        EXPECT_EQ(found, finder.find(udp_number, packets[0].source, packets[0].destination)) << "shared while nothing changed";
        EXPECT_EQ(nullptr, finder.find(udp_number, endpoint("100.64.0.2", 9), to)) << "nobody's";
        EXPECT_EQ(nullptr, finder.find(udp_number, endpoint("100.64.0.2", 9), endpoint("2001:db8::1", 9))) << "two families";
    });
}

TEST(attribution, a_process_that_became_another_program_is_read_anew)
{
    in_namespace([] {
        const auto sockets = build_sealed_network({});
        process_finder finder(sockets.diagnostics.number(), {});
        job client([] {
            const auto a = dial(endpoint("93.184.216.34", 80));
            ASSERT_EQ(0, a.error);
            ASSERT_TRUE(wait_readable(a.socket.number(), 5000));
            ASSERT_EQ(0, ::fcntl(a.socket.number(), F_SETFL, 0)); // the shell waits for the line
            ASSERT_NE(9, a.socket.number());
            ASSERT_EQ(9, ::dup2(a.socket.number(), 9)); // survives exec
            ::execl("/bin/sh", "sh", "-c", "echo y >&9; read line <&9", nullptr);
        });
        const auto accepted = accept_one(sockets.streams_v4.front());
        ASSERT_TRUE(accepted);
        const auto dialled = original_dst(accepted.number()).value();
        const auto before = finder.find(tcp_number, peer_of(accepted), dialled);
        ASSERT_NE(nullptr, before);
        EXPECT_EQ(1, ::send(accepted.number(), "x", 1, MSG_NOSIGNAL));
        ASSERT_TRUE(wait_readable(accepted.number(), 5000));
        const auto after = finder.find(tcp_number, peer_of(accepted), dialled);
        ASSERT_NE(nullptr, after);
        EXPECT_EQ(before->pid, after->pid);
        EXPECT_NE(before->exe, after->exe);
        ASSERT_EQ(3U, after->cmdline.size());
        EXPECT_EQ("sh", after->cmdline[0]);
        EXPECT_EQ(own_exe(), before->exe) << "records made earlier keep what they said";
        EXPECT_EQ(2, ::send(accepted.number(), "z\n", 2, MSG_NOSIGNAL));
        client.finish();
    });
}

} // namespace
} // namespace cofferdam::nft::test
