#include "core/io/coroutine.hpp"
#include "dns/io/upstream_client.hpp"
#include "fake_authority.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <set>
#include <sys/socket.h>
#include <unistd.h>

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

using addresses_result = result<host_addresses>;
using bytes_result = result<std::vector<std::uint8_t>>;

asio::awaitable<void> keep_addresses(upstream_client& client, std::string name, addresses_result& out)
{
    out = co_await client.async_addresses(std::move(name));
}

asio::awaitable<void> keep_answer(upstream_client& client, std::string name, std::uint16_t qtype, bytes_result& out)
{
    out = co_await client.async_query(std::move(name), qtype);
}

class upstream : public testing::Test {
protected:
    upstream()
    {
        hosts_path = std::filesystem::temp_directory_path() / ("cofferdam_hosts_" + std::to_string(::getpid()));
        how.upstreams = {{ip_address::v4({127, 0, 0, 1}), world.port()}};
        how.upstream_timeout = 100ms;
        how.upstream_tries = 2;
    }
    ~upstream() override { std::filesystem::remove(hosts_path); }

    upstream_client& client()
    {
        if (!client_) client_ = std::make_unique<upstream_client>(io, how, upstream_client::sources{hosts_path, {}});
        return *client_;
    }
    std::string addresses(const std::string& name)
    {
        addresses_result out = errc::ambiguous;
        asio::co_spawn(io, keep_addresses(client(), name, out), asio::detached);
        run();
        return text(out);
    }
    bytes_result answer(const std::string& name, std::uint16_t qtype)
    {
        bytes_result out = errc::ambiguous;
        asio::co_spawn(io, keep_answer(client(), name, qtype, out), asio::detached);
        run();
        return out;
    }
    void run()
    {
        io.restart();
        io.run_for(5s); // returns when nothing is left to do
    }
    static std::string text(const addresses_result& r)
    {
        if (!r) return r.error().message();
        std::string out;
        for (const auto& a : r->addresses) out += (out.empty() ? "" : " ") + a.to_string();
        return out;
    }

    std::string hosts_path;
    settings how;
    fake_authority world;
    asio::io_context io{1};
    std::unique_ptr<upstream_client> client_;
};

const packet v6_address{0x26, 0x06, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

} // namespace

TEST_F(upstream, sends_a_query_made_of_name_and_type_alone)
{
    world.set_address("registry.example", {93, 184, 216, 34});
    const auto got = answer("Registry.EXAMPLE", rr::a);
    ASSERT_TRUE(got);
    EXPECT_EQ(parse_response(*got, {name::parse("registry.example").value(), rr::a})->answers.size(), 1U);
    const auto seen = world.seen();
    ASSERT_EQ(seen.size(), 1U);
    auto expected = make_query("registry.example");
    expected[0] = seen[0].bytes[0];
    expected[1] = seen[0].bytes[1];
    EXPECT_EQ(seen[0].bytes, expected);
}

TEST_F(upstream, ids_are_not_a_sequence)
{
    std::vector<int> steps;
    for (int i = 0; i < 8; ++i) (void)answer("n" + std::to_string(i) + ".example", rr::a);
    const auto seen = world.seen();
    ASSERT_EQ(seen.size(), 8U);
    for (std::size_t i = 1; i < seen.size(); ++i)
        steps.push_back((seen[i].bytes[0] << 8 | seen[i].bytes[1]) - (seen[i - 1].bytes[0] << 8 | seen[i - 1].bytes[1]));
    EXPECT_NE(steps, std::vector<int>(steps.size(), steps[0]));
}

TEST_F(upstream, source_ports_are_many_and_no_sequence)
{
    std::set<unsigned> ports;
    for (int i = 0; i < 24; ++i) {
        (void)answer("n" + std::to_string(i) + ".example", rr::a);
        std::this_thread::sleep_for(3ms); // another moment: another socket
    }
    std::set<int> steps;
    const auto seen = world.seen();
    for (std::size_t i = 1; i < seen.size(); ++i) {
        ports.insert(seen[i].port);
        steps.insert(seen[i].port - seen[i - 1].port);
    }
    EXPECT_GE(ports.size(), 4U);
    EXPECT_GE(steps.size(), 4U);
}

TEST_F(upstream, forged_answers_change_nothing)
{
    world.set("forged.example", rr::a,
              {.answers = 1, .records = record_octets(to_question, 1, 60, {93, 184, 216, 34}), .forged_first = true});
    EXPECT_EQ(addresses("forged.example"), "93.184.216.34");
}

TEST_F(upstream, a_flood_of_strays_neither_ends_a_query_nor_uses_up_sockets)
{
    constexpr unsigned each = 200; // a socket is replaced after 64 of them
    const auto descriptors = [] {
        const std::filesystem::directory_iterator open("/proc/self/fd");
        return std::distance(begin(open), end(open));
    };
    how.upstream_timeout = 30s; // longer than the test: no query is asked again
    (void)client();
    const auto ask = [this](const std::string& name) {
        bytes_result out = errc::ambiguous;
        asio::co_spawn(io, keep_answer(client(), name, rr::a, out), asio::detached);
        const auto start = std::chrono::steady_clock::now();
        io.restart();
        while (!out && std::chrono::steady_clock::now() - start < 5s) io.run_one_for(10ms);
        return out;
    };
    const auto before = descriptors();
    for (int i = 0; i < 40; ++i) {
        const auto name = "n" + std::to_string(i) + ".example";
        world.set(name, rr::a, {.answers = 1, .records = record_octets(to_question, 1, 60, {93, 184, 216, 34}), .strays = each});
        ASSERT_TRUE(ask(name)) << name;
        ASSERT_EQ(world.count(name), 1U);
    }
    EXPECT_EQ(client().sent(), 40U);
    EXPECT_LE(descriptors() - before, 2 * 8) << "sockets of one server, those that are replaced included";
}

TEST_F(upstream, a_dead_server_costs_nothing_where_there_is_another)
{
    const int closed = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); // bound, so that its port stays free, then closed
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    ASSERT_EQ(::bind(closed, reinterpret_cast<const sockaddr*>(&at), size), 0);
    ::getsockname(closed, reinterpret_cast<sockaddr*>(&at), &size);
    ::close(closed);
    how.upstream_timeout = 30s; // longer than the test: what helps is that the first is unreachable
    how.upstreams.insert(how.upstreams.begin(), {ip_address::v4({127, 0, 0, 1}), ntohs(at.sin_port)});
    world.set_address("here.example", {93, 184, 216, 34});
    EXPECT_TRUE(answer("here.example", rr::a));
}

TEST_F(upstream, a_silent_server_is_left_for_the_next_in_time)
{
    fake_authority silent;
    for (const auto* n : {"a.example", "b.example"}) {
        silent.set(n, rr::a, {.silent = true});
        world.set_address(n, {93, 184, 216, 34});
    }
    how.upstreams.insert(how.upstreams.begin(), {ip_address::v4({127, 0, 0, 1}), silent.port()});
    how.upstream_timeout = 1s; // that the other server surely answers in
    EXPECT_TRUE(answer("a.example", rr::a));
    EXPECT_TRUE(answer("b.example", rr::a));
    EXPECT_EQ(silent.count("a.example"), 1U);
    EXPECT_EQ(silent.count("b.example"), 0U) << "it rests";
}

TEST_F(upstream, addresses_of_both_families_ipv4_first_and_cached)
{
    world.set_address("both.example", {93, 184, 216, 34});
    world.set_address("both.example", v6_address);
    EXPECT_EQ(addresses("both.example"), "93.184.216.34 2606:4700::1");
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(addresses("Both.Example"), "93.184.216.34 2606:4700::1");
    EXPECT_EQ(world.count("both.example"), 2U);
    EXPECT_EQ(client().sent(), 2U);
}

TEST_F(upstream, a_literal_needs_no_query)
{
    EXPECT_EQ(addresses("192.0.2.1"), "192.0.2.1");
    EXPECT_EQ(addresses("2001:db8::1"), "2001:db8::1");
    EXPECT_EQ(addresses("no such\nname"), "malformed");
    EXPECT_TRUE(world.seen().empty());
}

TEST_F(upstream, concurrent_lookups_share_one)
{
    world.set("slow.example", 1, {.answers = 1, .records = record_octets(to_question, 1, 60, {93, 184, 216, 34}), .delay = 30ms});
    std::vector<addresses_result> out(50, errc::ambiguous);
    for (auto& o : out) asio::co_spawn(io, keep_addresses(client(), "slow.example", o), asio::detached);
    run();
    for (const auto& o : out) EXPECT_EQ(text(o), "93.184.216.34");
    EXPECT_EQ(world.count("slow.example"), 2U);
}

TEST_F(upstream, ipv6_is_not_waited_for_once_ipv4_is_there)
{
    world.set_address("half.example", {93, 184, 216, 34});
    world.set("half.example", 28, {.silent = true});
    addresses_result out = errc::ambiguous;
    auto& c = client();
    const auto start = std::chrono::steady_clock::now();
    asio::co_spawn(io, keep_addresses(c, "half.example", out), asio::detached);
    while (!out && std::chrono::steady_clock::now() - start < 2s) io.run_one_for(10ms);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 190ms);
    EXPECT_EQ(text(out), "93.184.216.34");
    world.set_address("six.example", v6_address);
    EXPECT_EQ(addresses("six.example"), "2606:4700::1");
}

TEST_F(upstream, failures_are_told_apart)
{
    world.set("silent.example", 1, {.silent = true});
    world.set("silent.example", 28, {.silent = true});
    world.set("fail.example", 1, {.code = 2});
    world.set("fail.example", 28, {.code = 2});
    world.set("empty.example", 16, {});
    EXPECT_EQ(addresses("typo.example"), "not found");
    EXPECT_EQ(addresses("empty.example"), "not found");
    EXPECT_EQ(addresses("silent.example"), "timed out");
    EXPECT_EQ(addresses("fail.example"), "closed by the peer");
    EXPECT_GE(world.count("silent.example"), 4U); // both tries of both types
}

TEST_F(upstream, truncated_answers_come_over_tcp)
{
    packet records;
    for (int i = 0; i < 30; ++i) records = records + record_octets(to_question, rr::txt, 60, packet{60} + packet(60, 'x'));
    world.set("big.example", rr::txt, {.answers = 30, .records = records, .truncate_udp = true});
    const auto got = answer("big.example", rr::txt);
    ASSERT_TRUE(got);
    EXPECT_EQ(parse_response(*got, {name::parse("big.example").value(), rr::txt})->answers.size(), 30U);
    const auto seen = world.seen();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_TRUE(seen[1].tcp);
}

TEST_F(upstream, answers_over_512_octets_fit_one_datagram)
{
    packet records;
    for (std::uint8_t i = 0; i < 50; ++i) records = records + record_octets(to_question, rr::a, 60, {93, 184, 216, i});
    world.set("many.example", rr::a, {.answers = 50, .records = records});
    const auto got = answer("many.example", rr::a);
    ASSERT_TRUE(got);
    EXPECT_EQ(parse_response(*got, {name::parse("many.example").value(), rr::a})->answers.size(), 50U);
    EXPECT_EQ(world.seen().size(), 1U);
}

TEST_F(upstream, a_server_older_than_edns_is_asked_without)
{
    world.set("old.example", rr::a,
              {.answers = 1, .records = record_octets(to_question, 1, 60, {93, 184, 216, 34}), .refuses_edns = true});
    for (int i = 0; i < 2; ++i) {
        const auto got = answer("old.example", rr::a);
        ASSERT_TRUE(got);
        EXPECT_EQ(rcode_of(*got), 0U);
    }
}

TEST_F(upstream, the_hosts_file_is_looked_at_first_and_again_when_it_changes)
{
    std::ofstream(hosts_path) << "# a comment\n10.1.2.3\tDb.Example db # another\nfe80::1%eth0 zone.example\n::1 "
                                 "db.example\nnot-an-address x.example\n";
    world.set_address("db.example", {93, 184, 216, 34});
    EXPECT_EQ(addresses("db.example"), "10.1.2.3 ::1");
    EXPECT_EQ(addresses("zone.example"), "not found");
    EXPECT_EQ(world.count("db.example"), 0U);
    const auto got = answer("db.example", rr::a);
    EXPECT_EQ(to_text(parse_response(*got, {name::parse("db.example").value(), rr::a})->answers.at(0)), "10.1.2.3");
    std::ofstream(hosts_path) << "10.9.9.9 db.example later.example\n";
    std::this_thread::sleep_for(1100ms);
    EXPECT_EQ(addresses("later.example"), "10.9.9.9");
}

TEST_F(upstream, in_flight_is_bounded)
{
    how.max_in_flight = 4;
    std::vector<bytes_result> out(10, errc::ambiguous);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto n = "silent" + std::to_string(i) + ".example";
        world.set(n, 1, {.silent = true});
        asio::co_spawn(io, keep_answer(client(), n, rr::a, out[i]), asio::detached);
    }
    run();
    EXPECT_EQ(std::count_if(out.begin(), out.end(), [](const auto& o) { return o.error() == errc::exhausted; }), 6);
    EXPECT_EQ(std::count_if(out.begin(), out.end(), [](const auto& o) { return o.error() == errc::timed_out; }), 4);
}

TEST_F(upstream, destruction_in_flight_ends_every_lookup)
{
    world.set("silent.example", 1, {.silent = true});
    bytes_result out = errc::ambiguous;
    addresses_result more = errc::ambiguous;
    asio::co_spawn(io, keep_answer(client(), "silent.example", rr::a, out), asio::detached);
    asio::co_spawn(io, keep_addresses(client(), "silent.example", more), asio::detached);
    io.run_for(20ms);
    client_.reset();
    run();
    EXPECT_EQ(out.error(), errc::closed);
    EXPECT_EQ(more.error(), errc::closed);
}

TEST_F(upstream, frames_destroyed_with_the_io_context_leave_nothing_behind)
{
    world.set("silent.example", 1, {.silent = true});
    bytes_result out = errc::ambiguous;
    {
        asio::io_context short_lived(1);
        upstream_client c(short_lived, how, {{}, {}});
        asio::co_spawn(short_lived, keep_answer(c, "silent.example", rr::a, out), asio::detached);
        short_lived.run_for(20ms);
    }
    EXPECT_EQ(out.error(), errc::ambiguous); // never resumed
}

TEST_F(upstream, a_missing_resolv_conf_fails_the_lookup_and_not_the_start)
{
    const settings system;
    EXPECT_NO_THROW(upstream_client(io, system, {{}, "/nonexistent/resolv.conf"}));
}
