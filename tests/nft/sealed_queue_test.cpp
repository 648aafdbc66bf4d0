#include "namespace_fixture.hpp"
#include "nft/io/netlink.hpp"
#include "nft/io/send_packet.hpp"
#include "nft/io/socket_address.hpp"
#include "nft/query_shape.hpp"
#include "nft/udp.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace cofferdam::nft::test {
namespace {

constexpr auto accept_it = queue_verdict::accept;
constexpr auto drop_it = queue_verdict::drop;

/// Begins like a query; the rest need not be one.
std::string query(std::string_view name)
{
    return std::string("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12) + std::string(name);
}

std::string response(std::string_view name)
{
    auto out = query(name);
    out[2] = static_cast<char>(0x81);
    return out;
}

std::string payload_of(byte_view packet)
{
    const auto datagram = parse_udp(packet);
    return datagram ? std::string(as_text(datagram->payload)) : "unreadable";
}

std::vector<std::string> payloads(const queue_consumer& from, std::uint16_t queue = 0)
{
    std::vector<std::string> out;
    for (const auto& packet : from.seen(queue)) out.push_back(payload_of(packet));
    return out;
}

/// Until `done` or five seconds.
template <class Condition>
bool eventually(Condition done)
{
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5); std::chrono::steady_clock::now() < end;) {
        if (done()) return true;
        ::poll(nullptr, 0, 5);
    }
    return done();
}

/// What the gateway does with a query that it refuses: the answer comes from the address that was asked, the query is dropped.
queue_verdict answer_refused(const sealed_descriptors& sockets, byte_view packet)
{
    const auto datagram = parse_udp(packet);
    EXPECT_TRUE(datagram.has_value());
    if (!datagram || !payload_of(packet).ends_with("refused")) return accept_it;
    std::array<std::uint8_t, 512> out{};
    const auto size = write_udp(out, datagram->destination, datagram->source, as_bytes("no"));
    const auto& to = datagram->source.address;
    const auto& socket = to.is_v4() ? sockets.answers_v4 : sockets.answers_v6;
    EXPECT_FALSE(send_packet(socket.number(), byte_view(out).first(size.value()), to)) << std::strerror(errno);
    return drop_it;
}

TEST(sealed_queue, a_refused_query_is_answered_from_the_address_that_was_asked)
{
    in_namespace([] {
        auto sockets = build_sealed_network({});
        const queue_consumer consumer(sockets, [&](byte_view packet) { return answer_refused(sockets, packet); });
        const auto& a = sealed_addresses{};
        for (const auto& server : {ip_endpoint{a.gateway_v4, 53}, endpoint("8.8.8.8", 53), ip_endpoint{a.gateway_v6, 53},
                                   endpoint("2001:db8::53", 53), endpoint("8.8.8.8", 5300), endpoint("2001:db8::53", 5300)}) {
            job client([&] {
                const auto result = ask(server, query("refused"));
                EXPECT_EQ(0, result.error) << server.to_string();
                EXPECT_EQ("no", result.answer);
                EXPECT_LT(result.seconds, 0.5);
                if (server.port != 53) return; // only the name server's port goes on to somebody
                // The same socket goes on: a refusal leaves nothing behind that would keep the next query from the resolver.
                const auto next = query("fine");
                EXPECT_EQ(static_cast<ssize_t>(next.size()), ::send(result.socket.number(), next.data(), next.size(), 0));
                ASSERT_TRUE(wait_readable(result.socket.number(), 5000)) << server.to_string();
                std::array<char, 16> buffer{};
                EXPECT_EQ(3, ::recv(result.socket.number(), buffer.data(), buffer.size(), 0));
            });
            if (server.port == 53) {
                const auto& names = server.address.is_v4() ? sockets.names_udp_v4 : sockets.names_udp_v6;
                EXPECT_EQ(query("fine"), answer_one(names, "yes"));
            }
            client.finish();
        }
        EXPECT_TRUE(logged(sockets, 0).empty()) << "what the queue dropped is not refused once more";
        EXPECT_FALSE(wait_readable(sockets.names_udp_v4.number(), 0));
    });
}

/// Sends `texts` to `to` in one of the ways that a program can.
enum class way { connected, sendto, sendmsg, sendmmsg };

void send_all(way how, const ip_endpoint& to, const std::vector<std::string>& texts)
{
    const descriptor s(::socket(to.address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    socket_address address(to);
    const int connected = how == way::connected ? ::connect(s.number(), address.raw(), address.size) : 0;
    ASSERT_EQ(0, connected);
    std::vector<iovec> parts;
    for (const auto& text : texts) parts.push_back({const_cast<char*>(text.data()), text.size()});
    std::vector<mmsghdr> messages(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        messages[i].msg_hdr.msg_name = address.raw();
        messages[i].msg_hdr.msg_namelen = address.size;
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    if (how == way::sendmmsg) {
        EXPECT_EQ(static_cast<int>(texts.size()),
                  ::sendmmsg(s.number(), messages.data(), static_cast<unsigned>(texts.size()), 0));
        return;
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto& text = texts[i];
        ssize_t sent = -1;
        if (how == way::connected) sent = ::send(s.number(), text.data(), text.size(), 0);
        if (how == way::sendto) sent = ::sendto(s.number(), text.data(), text.size(), 0, address.raw(), address.size);
        if (how == way::sendmsg) sent = ::sendmsg(s.number(), &messages[i].msg_hdr, 0);
        EXPECT_EQ(static_cast<ssize_t>(text.size()), sent);
    }
}

TEST(sealed_queue, every_datagram_of_a_flow_is_judged_however_it_was_sent)
{
    in_namespace([] {
        auto sockets = build_sealed_network({});
        for (const auto how : {way::connected, way::sendto, way::sendmsg, way::sendmmsg}) {
            sealed_descriptors mine;
            mine.queues.push_back(descriptor(::dup(sockets.queues.front().number())));
            const queue_consumer consumer(mine,
                                          [&](byte_view p) { return payload_of(p).ends_with("bad") ? drop_it : accept_it; });
            const std::vector<std::string> texts{query("one"), query("two bad"), query("three"), query("bad"), "no query at all"};
            job client([&] { send_all(how, endpoint("8.8.8.8", 53), texts); });
            client.finish();
            EXPECT_TRUE(eventually([&] { return payloads(consumer).size() >= texts.size(); }));
            EXPECT_EQ(texts, payloads(consumer));
            for (const auto& text : {texts[0], texts[2], texts[4]}) EXPECT_EQ(text, answer_one(sockets.names_udp_v4, "a"));
            EXPECT_FALSE(wait_readable(sockets.names_udp_v4.number(), 50));
        }
    });
}

TEST(sealed_queue, what_looks_like_a_query_is_queued_on_any_port_and_nothing_else)
{
    in_namespace([] {
        sealed_network_options options;
        options.rules.udp_ports = {3478};
        auto sockets = build_sealed_network(options);
        const queue_consumer consumer(sockets);
        const auto text = query("first");
        job client([&] {
            for (const auto& to : {endpoint("8.8.8.8", 5300), endpoint("2001:db8::1", 5300), endpoint("8.8.8.8", 443)}) {
                descriptor s(::socket(to.address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
                const socket_address address(to);
                // The second datagram of the flow: the first, no query, is refused by the rules alone.
                EXPECT_EQ(-1, ::sendto(s.number(), "hello", 5, 0, address.raw(), address.size)) << to.to_string();
                ::sendto(s.number(), text.data(), text.size(), 0, address.raw(), address.size);
            }
            // Names of the local link are refused as such, answers to nobody and the job's own servers are not queued.
            for (const auto& to : {endpoint("224.0.0.251", 5353), endpoint("224.0.0.252", 5355), endpoint("10.255.255.255", 137)})
                EXPECT_NE(0, ask(to, text).error) << to.to_string();
            EXPECT_NE(0, ask(endpoint("8.8.8.8", 5300), response("x")).error);
            for (const auto& to : {endpoint("127.0.0.53", 53), endpoint("100.64.0.2", 53), endpoint("::1", 5300)})
                EXPECT_EQ(ECONNREFUSED, ask(to, text).error) << to.to_string();
            send_all(way::sendto, endpoint("8.8.8.8", 3478), {"anything"}); // carried, so every datagram is looked at
        });
        client.finish();
        EXPECT_TRUE(eventually([&] { return payloads(consumer).size() >= 4; }));
        EXPECT_EQ((std::vector<std::string>{text, text, text, "anything"}), payloads(consumer));
        // Accepted, they go on to the rules, which carry none but the last.
        EXPECT_EQ(3U + 3U + 3U + 1U, logged(sockets, 10).size());
        EXPECT_TRUE(wait_readable(sockets.relays.front().v4.number(), 5000));
    });
}

TEST(sealed_queue, segments_of_one_send_are_judged_one_by_one)
{
    in_namespace([] {
        sealed_network_options options;
        options.rules.udp_ports = {3478};
        auto sockets = build_sealed_network(options);
        const queue_consumer consumer(sockets,
                                      [](byte_view p) { return payload_of(p).starts_with("\x12") ? drop_it : accept_it; });
        const auto hidden = query("hidden");
        const std::string first(hidden.size(), '.');
        job client([&] {
            for (const auto port : std::array<std::uint16_t, 2>{53, 3478}) {
                descriptor s(::socket(AF_INET, SOCK_DGRAM, 0));
                const int size = static_cast<int>(hidden.size());
                ASSERT_EQ(0, ::setsockopt(s.number(), IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size));
                const socket_address to(endpoint("8.8.8.8", port));
                const auto both = first + hidden;
                EXPECT_EQ(static_cast<ssize_t>(both.size()),
                          ::sendto(s.number(), both.data(), both.size(), 0, to.raw(), to.size));
            }
        });
        client.finish();
        EXPECT_TRUE(eventually([&] { return payloads(consumer).size() >= 4; }));
        EXPECT_EQ((std::vector<std::string>{first, hidden, first, hidden}), payloads(consumer));
        EXPECT_EQ(first, answer_one(sockets.names_udp_v4, "a"));
        EXPECT_FALSE(wait_readable(sockets.names_udp_v4.number(), 50));
    });
}

/// Sends a datagram as two fragments of IPv4, as only a privileged process could; the job's kernel makes none by itself.
void send_fragments(const ip_endpoint& to, std::string_view text, bool last_too)
{
    std::vector<std::uint8_t> packet(max_udp_headers + text.size());
    packet.resize(write_udp(packet, {sealed_addresses{}.job_v4, 40000}, to, as_bytes(text)).value());
    const descriptor raw(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    constexpr std::size_t header = 20, first_size = 16; // of the datagram: its header, and 8 octets of the query
    const auto send = [&](std::size_t offset, std::size_t end) {
        std::vector<std::uint8_t> out(packet.begin(), packet.begin() + header);
        out.insert(out.end(), packet.begin() + static_cast<std::ptrdiff_t>(header + offset),
                   packet.begin() + static_cast<std::ptrdiff_t>(end));
        out[5] = static_cast<std::uint8_t>(text.size()); // their identification
        out[6] = end == packet.size() ? 0 : 0x20;
        out[7] = static_cast<std::uint8_t>(offset / 8);
        EXPECT_FALSE(send_packet(raw.number(), out, to.address)) << std::strerror(errno);
    };
    send(0, header + first_size);
    if (last_too) send(first_size, packet.size());
}

TEST(sealed_queue, fragments_are_judged_whole_or_not_at_all)
{
    in_namespace([] {
        auto sockets = build_sealed_network({});
        const queue_consumer consumer(sockets);
        send_fragments(endpoint("8.8.8.8", 53), query("in two pieces"), true);
        EXPECT_EQ(query("in two pieces"), answer_one(sockets.names_udp_v4, "a"));
        EXPECT_EQ(std::vector<std::string>{query("in two pieces")}, payloads(consumer));
        send_fragments(endpoint("9.9.9.9", 53), query("never whole"), false);
        send_fragments(endpoint("9.9.9.9", 5300), query("other port"), true);
        EXPECT_TRUE(eventually([&] { return payloads(consumer).size() >= 2; }));
        EXPECT_EQ(query("other port"), payloads(consumer).back());
        EXPECT_FALSE(wait_readable(sockets.names_udp_v4.number(), 50));
    });
}

TEST(sealed_queue, without_a_reader_nothing_passes)
{
    in_namespace([] {
        auto sockets = build_sealed_network({});
        const auto expect_silence = [&](const char* when) {
            job client([&] { send_all(way::sendto, endpoint("8.8.8.8", 53), {query("a"), query("b")}); });
            client.finish();
            EXPECT_FALSE(wait_readable(sockets.names_udp_v4.number(), 100)) << when;
        };
        expect_silence("nobody reads yet");
        {
            const queue_consumer consumer(sockets,
                                          [](byte_view p) { return payload_of(p).ends_with("a") ? accept_it : drop_it; });
            EXPECT_EQ(query("a"), answer_one(sockets.names_udp_v4, "x")) << "what waited is judged";
            EXPECT_TRUE(eventually([&] { return payloads(consumer).size() == 2; }));
        }
        expect_silence("the reader has ended, and its socket with it");
        EXPECT_TRUE(logged(sockets, 0).empty());
    });
}

TEST(sealed_queue, what_waits_when_the_reader_dies_is_dropped)
{
    in_namespace([] {
        auto sockets = build_sealed_network({});
        job client([&] { send_all(way::sendto, endpoint("8.8.8.8", 53), {query("a"), query("b")}); });
        client.finish();
        sockets.queues.clear();
        EXPECT_FALSE(wait_readable(sockets.names_udp_v4.number(), 100));
    });
}

TEST(sealed_queue, an_overflow_drops_and_is_counted)
{
    in_namespace([] {
        sealed_network_options options;
        options.queue_buffer = 4096;
        auto sockets = build_sealed_network(options);
        constexpr std::size_t sent = 500;
        job client([] { send_all(way::sendto, endpoint("8.8.8.8", 53), std::vector<std::string>(sent, query("flood"))); });
        client.finish();
        const queue_consumer consumer(sockets, [](byte_view) { return drop_it; });
        EXPECT_TRUE(eventually([&] { return !payloads(consumer).empty(); }));
        job last([] { send_all(way::sendto, endpoint("8.8.8.8", 53), {query("last")}); });
        last.finish();
        EXPECT_TRUE(eventually([&] { return payloads(consumer).back() == query("last"); }));
        EXPECT_TRUE(eventually([&] { return payloads(consumer).size() + consumer.lost() == sent + 1; }));
        EXPECT_GT(consumer.lost(), 0U);
        EXPECT_FALSE(wait_readable(sockets.names_udp_v4.number(), 0));
    });
}

TEST(sealed_queue, its_length_bounds_what_waits)
{
    in_namespace([] {
        sealed_network_options options;
        options.queue.length = 10;
        auto sockets = build_sealed_network(options);
        job client([] { send_all(way::sendto, endpoint("8.8.8.8", 53), std::vector<std::string>(100, query("flood"))); });
        client.finish();
        const queue_consumer consumer(sockets, [](byte_view) { return drop_it; });
        EXPECT_TRUE(eventually([&] { return payloads(consumer).size() >= 10; }));
        EXPECT_EQ(10U, payloads(consumer).size());
        EXPECT_EQ(0U, consumer.lost()) << "these the kernel does not number; docs/metrics.md says so";
    });
}

TEST(sealed_queue, a_packet_longer_than_the_copy_range_arrives_cut)
{
    in_namespace([] {
        sealed_network_options options;
        options.queue.copy_range = 4608;
        auto sockets = build_sealed_network(options);
        std::atomic<int> cut{0}, whole{0};
        const queue_consumer consumer(sockets, [&](byte_view p) {
            const auto read = parse_udp(p);
            EXPECT_TRUE(read.has_value());
            ++(read && read->whole ? whole : cut);
            EXPECT_TRUE(!read || read->whole || read->payload.size() > 4096) << "enough to see that it is too large";
            return drop_it;
        });
        job client([] {
            send_all(way::sendto, endpoint("8.8.8.8", 53), {query(std::string(60000, 'x')), query(std::string(4000, 'x'))});
        });
        client.finish();
        EXPECT_TRUE(eventually([&] { return cut + whole == 2; }));
        EXPECT_EQ(1, cut);
    });
}

TEST(sealed_queue, is_made_by_the_native_expression_where_the_kernel_has_it)
{
    for (const auto wanted : {queue_encoding::native, queue_encoding::target}) {
        in_namespace([&] {
            auto netfilter = netlink_socket::open(NETLINK_NETFILTER);
            const chain_base base{chain_kind::filter, chain_hook::output, priority::filter, chain_policy::accept};
            const auto probe = encode_ruleset({"probe", {{"c", base, {{queue{}}}}}});
            const bool native = !netfilter->commit(probe.value()).error;
            netfilter->commit(encode_removal("probe").value());
            sealed_network_options options;
            options.rules.queueing = wanted;
            auto sockets = build_sealed_network(options);
            EXPECT_EQ(native ? wanted : queue_encoding::target, sockets.queueing);
            const queue_consumer consumer(sockets);
            job client([] { send_all(way::sendto, endpoint("8.8.8.8", 53), {query("a")}); });
            client.finish();
            EXPECT_EQ(query("a"), answer_one(sockets.names_udp_v4, "x"));
        });
    }
}

TEST(sealed_queue, fans_out_by_cpu)
{
    cpu_set_t usable;
    ASSERT_EQ(0, ::sched_getaffinity(0, sizeof usable, &usable));
    std::vector<int> cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(static_cast<std::size_t>(cpu), &usable)) cpus.push_back(cpu);
    in_namespace([&] {
        sealed_network_options options;
        options.rules.queues = 2;
        auto sockets = build_sealed_network(options);
        const queue_consumer consumer(sockets);
        std::array<std::size_t, 2> expected{};
        for (const int cpu : cpus) {
            const auto text = query("from " + std::to_string(cpu));
            job client([&] {
                cpu_set_t one;
                CPU_ZERO(&one);
                CPU_SET(static_cast<std::size_t>(cpu), &one);
                ASSERT_EQ(0, ::sched_setaffinity(0, sizeof one, &one));
                send_all(way::sendto, endpoint("8.8.8.8", 53), {text});
            });
            EXPECT_EQ(text, answer_one(sockets.names_udp_v4, "a"));
            client.finish();
            ++expected.at(static_cast<std::size_t>(cpu % 2));
        }
        EXPECT_EQ(expected[0], payloads(consumer, 0).size());
        EXPECT_EQ(expected[1], payloads(consumer, 1).size());
    });
}

TEST(sealed_queue, a_job_can_neither_take_a_queue_nor_answer_in_anothers_name)
{
    in_namespace([] {
        auto sockets = build_sealed_network({});
        const queue_consumer consumer(sockets, [](byte_view) { return drop_it; });
        job rebel([] {
            EXPECT_EQ(-1, ::socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
            EXPECT_EQ(EPERM, errno);
            EXPECT_EQ(-1, ::socket(AF_INET6, SOCK_RAW, IPPROTO_RAW));
            EXPECT_EQ(EPERM, errno);
            auto own = netlink_socket::open(NETLINK_NETFILTER);
            ASSERT_TRUE(own.has_value());
            for (const auto& request : encode_queue_setup(0, {})) EXPECT_EQ(EPERM, own->request(request).value());
        });
        rebel.finish();
    });
}

} // namespace
} // namespace cofferdam::nft::test
