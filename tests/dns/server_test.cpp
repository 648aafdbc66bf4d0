#include "dns/io/server.hpp"
#include "dns/tcp_framing.hpp"
#include "fake_authority.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <future>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

sockaddr_in loopback(unsigned short port = 0)
{
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    out.sin_port = htons(port);
    return out;
}

int bound(int type)
{
    const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    const auto at = loopback();
    const int room = 4 << 20;
    if (type == SOCK_DGRAM) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    if (type == SOCK_STREAM && ::listen(fd, 64) != 0) ADD_FAILURE() << "listen";
    return fd;
}

unsigned short port_of(int fd)
{
    sockaddr_in at{};
    socklen_t size = sizeof at;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin_port);
}

/// A client socket with a time-out of two seconds.
class client {
public:
    client(int type, unsigned short port) : fd_(::socket(AF_INET, type | SOCK_CLOEXEC, 0))
    {
        const timeval patience{2, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        const int on = 1;
        if (type == SOCK_STREAM) ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const auto to = loopback(port);
        EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    }
    ~client() { ::close(fd_); }
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    void send(const packet& p) const { ::send(fd_, p.data(), p.size(), MSG_NOSIGNAL); }
    void end() const { ::shutdown(fd_, SHUT_WR); }
    packet receive() const
    {
        packet out(70000);
        const auto got = ::recv(fd_, out.data(), out.size(), 0);
        out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return out;
    }
    packet receive_framed() const
    {
        packet length(2);
        if (::recv(fd_, length.data(), 2, MSG_WAITALL) != 2) return {};
        packet out(static_cast<std::size_t>(length[0] << 8 | length[1]));
        if (::recv(fd_, out.data(), out.size(), MSG_WAITALL) != static_cast<ssize_t>(out.size())) return {};
        return out;
    }
    /// True when the server has closed the connection.
    bool ended() const
    {
        char c = 0;
        return ::recv(fd_, &c, 1, 0) == 0;
    }

private:
    int fd_;
};

class dns_server : public testing::Test {
protected:
    void start()
    {
        how.upstreams = {{ip_address::v4({127, 0, 0, 1}), world.port()}};
        names = std::make_unique<bindings>(how.virtual_range, how.max_names);
        const auto judge = [this](std::string_view name, std::uint16_t) {
            const bool fine = name.ends_with(".allowed.example");
            return policy_answer{fine,
                                 fine,
                                 fine ? reason::allowed_by_endpoint : reason::not_in_allow_list,
                                 {},
                                 fine ? "" : "dns:" + std::string(name),
                                 {name_rule::kind::exact, {}, {}}};
        };
        spent = std::make_unique<budget>(how.exfiltration);
        gate = std::make_unique<inspector>(how, *names, *spent, inspector::callbacks{judge});
        core = std::make_unique<resolver>(how, *names, *gate, resolver::callbacks{});
        upstream = std::make_unique<upstream_client>(io, how, upstream_client::sources{{}, {}});
        const auto record = [this](const query_facts& f) {
            const std::lock_guard lock(mutex);
            records.push_back(f);
            return audit_works.load();
        };
        served = std::make_unique<server>(io, how, *core, *upstream,
                                          server::callbacks{record, [this](std::uint32_t count) { lost += count; }, {}});
        udp = bound(SOCK_DGRAM);
        const int tcp = bound(SOCK_STREAM);
        udp_port = port_of(udp);
        tcp_port = port_of(tcp);
        served->serve_udp(udp);
        served->serve_tcp(tcp);
        thread = std::thread([this] {
            const auto guard = asio::make_work_guard(io);
            io.run();
        });
    }
    void TearDown() override
    {
        if (thread.joinable()) {
            on_io([this] {
                served.reset();
                upstream.reset();
            });
            io.stop();
            thread.join();
        }
    }
    template <class Function>
    void on_io(Function f)
    {
        std::promise<void> done;
        asio::post(io, [&] {
            f();
            done.set_value();
        });
        done.get_future().wait();
    }
    /// Sends queries that are denied while the server does not read, to a buffer that is too small for them. Returns when what
    /// found room has been read.
    void flood_unread(int count)
    {
        const int room = 16 << 10;
        ASSERT_EQ(::setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
        const client source(SOCK_DGRAM, udp_port);
        on_io([&] {
            for (int i = 0; i < count; ++i) source.send(make_query("denied.example"));
        });
        pollfd unread{udp, POLLIN, 0};
        while (::poll(&unread, 1, 0) == 1) std::this_thread::yield();
        on_io([] {});
    }
    std::vector<query_facts> kept()
    {
        const std::lock_guard lock(mutex);
        return records;
    }
    std::size_t kept_when(std::size_t n)
    {
        for (int i = 0; i < 200 && kept().size() < n; ++i) std::this_thread::sleep_for(10ms);
        return kept().size();
    }

    settings how = [] {
        settings s;
        s.upstream_timeout = 100ms;
        s.upstream_tries = 2;
        s.tcp_idle = 1s;
        return s;
    }();
    fake_authority world;
    asio::io_context io{1};
    std::unique_ptr<bindings> names;
    std::unique_ptr<budget> spent;
    std::unique_ptr<inspector> gate;
    std::unique_ptr<resolver> core;
    std::unique_ptr<upstream_client> upstream;
    std::unique_ptr<server> served;
    std::mutex mutex;
    std::vector<query_facts> records;
    std::atomic<bool> audit_works{true};
    std::atomic<std::uint64_t> lost{0};
    int udp = -1; // the server's
    unsigned short udp_port = 0, tcp_port = 0;
    std::thread thread;
};

} // namespace

TEST_F(dns_server, answers_over_udp_and_tcp_alike)
{
    start();
    world.set_address("www.allowed.example", {93, 184, 216, 34});
    const client datagram(SOCK_DGRAM, udp_port), stream(SOCK_STREAM, tcp_port);
    const auto query = make_query("www.allowed.example");
    datagram.send(query);
    stream.send(frame(query));
    const auto first = datagram.receive(), second = stream.receive_framed();
    EXPECT_EQ(rcode_of(first), 0U);
    EXPECT_EQ(first, second);
    EXPECT_NE(text_of(first).find(std::string("\xc6\x12\x00\x01", 4)), std::string::npos); // 198.18.0.1
    ASSERT_EQ(kept_when(2), 2U);
    EXPECT_EQ(world.count("www.allowed.example"), 1U);
    EXPECT_EQ(kept()[0].source.address.to_string(), "127.0.0.1");
}

TEST_F(dns_server, a_denied_name_leaves_no_trace_outside)
{
    start();
    const client datagram(SOCK_DGRAM, udp_port), stream(SOCK_STREAM, tcp_port);
    const auto nonce = make_query("n0nce.secret.example");
    datagram.send(nonce);
    EXPECT_EQ(rcode_of(datagram.receive()), 5U);
    packet split = frame(nonce) + frame(nonce);
    for (const auto octet : split) stream.send({octet});
    for (int i = 0; i < 2; ++i) {
        const auto got = stream.receive_framed();
        EXPECT_EQ(rcode_of(got), 5U);
        EXPECT_NE(text_of(got).find("not_in_allow_list: n0nce.secret.example"), std::string::npos);
    }
    EXPECT_EQ(kept_when(3), 3U);
    EXPECT_TRUE(world.seen().empty());
}

TEST_F(dns_server, a_slow_upstream_holds_nobody_up_and_answers_come_out_of_order)
{
    start();
    world.set_address("fast.allowed.example", {93, 184, 216, 34});
    world.set("silent.allowed.example", 1, {.silent = true});
    const client stream(SOCK_STREAM, tcp_port);
    stream.send(frame(make_query("silent.allowed.example", rr::a, true, 1)) +
                frame(make_query("fast.allowed.example", rr::a, true, 2)));
    const auto start_time = std::chrono::steady_clock::now();
    EXPECT_EQ(stream.receive_framed()[1], 2);
    EXPECT_LT(std::chrono::steady_clock::now() - start_time, 100ms);
    const auto late = stream.receive_framed();
    EXPECT_EQ(late[1], 1);
    EXPECT_EQ(rcode_of(late), 2U);
    EXPECT_NE(text_of(late).find("upstream_timed_out"), std::string::npos);
}

TEST_F(dns_server, a_thousand_queries_at_once_are_one_upstream_query_and_a_thousand_records)
{
    how.upstream_timeout = 2s;
    start();
    world.set("hot.allowed.example", 1,
              {.answers = 1, .records = record_octets(to_question, 1, 60, {93, 184, 216, 34}), .delay = 200ms});
    std::vector<std::unique_ptr<client>> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(std::make_unique<client>(SOCK_DGRAM, udp_port));
    for (unsigned i = 0; i < 50; ++i) {
        for (const auto& c : clients) c->send(make_query("hot.allowed.example", rr::a, true, i));
        std::this_thread::sleep_for(500us); // the socket buffer holds fewer than a thousand, whoever reads it
    }
    for (const auto& c : clients) {
        for (int i = 0; i < 50; ++i) ASSERT_EQ(rcode_of(c->receive()), 0U);
    }
    EXPECT_EQ(kept_when(1000), 1000U);
    EXPECT_EQ(world.count("hot.allowed.example"), 1U);
}

TEST_F(dns_server, large_answers_are_truncated_over_udp_and_whole_over_tcp)
{
    start();
    packet text_records;
    for (int i = 0; i < 30; ++i)
        text_records = text_records + record_octets(to_question, rr::txt, 60, packet{60} + packet(60, 'x'));
    world.set("big.allowed.example", rr::txt, {.answers = 30, .records = text_records, .truncate_udp = true});
    const client datagram(SOCK_DGRAM, udp_port), stream(SOCK_STREAM, tcp_port);
    datagram.send(make_query("big.allowed.example", rr::txt));
    EXPECT_TRUE(truncated(datagram.receive()));
    stream.send(frame(make_query("big.allowed.example", rr::txt)));
    const auto whole = stream.receive_framed();
    EXPECT_FALSE(truncated(whole));
    EXPECT_EQ(count_of(whole, 1), 30U);
}

TEST_F(dns_server, malformed_datagrams_are_recorded_and_the_next_is_served)
{
    start();
    const client datagram(SOCK_DGRAM, udp_port);
    datagram.send({1, 2, 3});
    datagram.send(packet(6000, 0));
    EXPECT_EQ(rcode_of(datagram.receive()), 1U);
    datagram.send(make_query("denied.example"));
    EXPECT_EQ(rcode_of(datagram.receive()), 5U);
    EXPECT_EQ(kept_when(3), 3U);
}

TEST_F(dns_server, lying_lengths_close_the_connection)
{
    start();
    for (const packet& lie : {packet{0, 0}, packet{0, 11}, packet{0xFF, 0xFF}}) {
        const client stream(SOCK_STREAM, tcp_port);
        stream.send(frame(make_query("denied.example")));
        EXPECT_EQ(rcode_of(stream.receive_framed()), 5U);
        stream.send(lie);
        EXPECT_TRUE(stream.ended());
    }
}

TEST_F(dns_server, a_half_closed_client_still_gets_its_answer)
{
    start();
    world.set("slow.allowed.example", 1,
              {.answers = 1, .records = record_octets(to_question, 1, 60, {93, 184, 216, 34}), .delay = 50ms});
    const client stream(SOCK_STREAM, tcp_port);
    stream.send(frame(make_query("slow.allowed.example")));
    stream.end();
    EXPECT_EQ(rcode_of(stream.receive_framed()), 0U);
    EXPECT_TRUE(stream.ended());
}

TEST_F(dns_server, idle_and_dripping_connections_are_closed_and_their_number_is_bounded)
{
    how.tcp_idle = 1s;
    how.max_tcp_connections = 2;
    start();
    const client idle(SOCK_STREAM, tcp_port), dripping(SOCK_STREAM, tcp_port);
    for (int i = 0; i < 100; ++i) {
        std::size_t open = 0;
        on_io([&] { open = served->tcp_connections(); });
        if (open == 2) break;
        std::this_thread::sleep_for(5ms);
    }
    const client third(SOCK_STREAM, tcp_port);
    EXPECT_TRUE(third.ended());
    const auto begin = std::chrono::steady_clock::now();
    const auto query = frame(make_query("a-name-that-takes-its-time.example"));
    std::thread drip([&] {
        for (std::size_t i = 0; i < 15; ++i) {
            dripping.send({query[i]});
            std::this_thread::sleep_for(100ms);
        }
    });
    EXPECT_TRUE(idle.ended());
    EXPECT_TRUE(dripping.ended());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1500ms);
    drip.join();
    const client next(SOCK_STREAM, tcp_port);
    next.send(frame(make_query("denied.example")));
    EXPECT_EQ(rcode_of(next.receive_framed()), 5U);
}

TEST_F(dns_server, pipelining_beyond_the_bound_waits_and_loses_nothing)
{
    start();
    for (int i = 0; i < 200; ++i) world.set_address("n" + std::to_string(i) + ".allowed.example", {93, 184, 216, 34});
    const client stream(SOCK_STREAM, tcp_port);
    packet all;
    for (unsigned i = 0; i < 200; ++i)
        all = all + frame(make_query("n" + std::to_string(i) + ".allowed.example", rr::a, true, i));
    stream.send(all);
    std::set<unsigned> ids;
    for (int i = 0; i < 200; ++i) {
        const auto got = stream.receive_framed();
        ASSERT_EQ(rcode_of(got), 0U) << i;
        ids.insert(got[1]);
    }
    EXPECT_EQ(ids.size(), 200U);
}

TEST_F(dns_server, an_answer_whose_record_cannot_be_kept_is_not_given)
{
    audit_works = false;
    start();
    world.set_address("www.allowed.example", {93, 184, 216, 34});
    const client datagram(SOCK_DGRAM, udp_port);
    datagram.send(make_query("www.allowed.example"));
    const auto got = datagram.receive();
    EXPECT_EQ(rcode_of(got), 2U);
    EXPECT_EQ(count_of(got, 1), 0U);
    EXPECT_EQ(got.size(), 12U + labels("www.allowed.example").size() + 4);
}

TEST_F(dns_server, stopping_records_what_still_waited)
{
    how.upstream_timeout = 2000ms;
    start();
    world.set("silent.allowed.example", 1, {.silent = true});
    const client datagram(SOCK_DGRAM, udp_port);
    datagram.send(make_query("silent.allowed.example"));
    for (int i = 0; i < 100 && world.seen().empty(); ++i) std::this_thread::sleep_for(5ms);
    on_io([this] { served->stop(); });
    EXPECT_EQ(rcode_of(datagram.receive()), 2U);
    ASSERT_EQ(kept().size(), 1U);
    EXPECT_EQ(kept()[0].decision.why, reason::shutting_down);
}

TEST_F(dns_server, what_found_no_room_in_the_sockets_buffer_is_told_exactly)
{
    start();
    flood_unread(500);
    const client next(SOCK_DGRAM, udp_port);
    next.send(make_query("denied.example"));
    EXPECT_EQ(rcode_of(next.receive()), 5U);
    EXPECT_GT(lost, 0U);
    EXPECT_EQ(kept().size() + lost, 501U);
}

TEST_F(dns_server, what_found_no_room_last_is_told_at_the_end)
{
    start();
    flood_unread(500);
    EXPECT_EQ(lost, 0U); // no later datagram brought the news
    on_io([this] { served->stop(); });
    EXPECT_GT(lost, 0U);
    EXPECT_EQ(kept().size() + lost, 500U);
}
