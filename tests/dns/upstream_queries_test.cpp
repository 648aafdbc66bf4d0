#include "dns/upstream_queries.hpp"
#include "packets.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;
using namespace std::chrono_literals;

namespace {

using queries = upstream_queries;

/// Servers and sockets without a network: socket n belongs to server n.
class exchange {
public:
    explicit exchange(std::size_t servers = 1, settings how = {}) : core(how, servers, 8, [this] { return ++last_id; }) {}

    static question about(std::string_view text, std::uint16_t type = rr::a) { return {name::parse(text).value(), type}; }
    queries::attempt ask(std::string_view text = "www.example") { return core.ask(about(text), now).value(); }
    /// Sends the attempt; what left.
    packet send(const queries::attempt& a) { return core.datagram(a, a.server, now); }
    packet send(const std::optional<queries::action>& a)
    {
        const auto* next = a ? std::get_if<queries::attempt>(&*a) : nullptr;
        if (next == nullptr) {
            ADD_FAILURE() << "no attempt";
            return packet(12);
        }
        server = next->server;
        return send(*next);
    }
    static packet answer(packet query, unsigned flags = 0x8180)
    {
        query[2] = static_cast<std::uint8_t>(flags >> 8);
        query[3] = static_cast<std::uint8_t>(flags);
        return query;
    }
    template <class Kind>
    static bool is(const std::optional<queries::action>& a)
    {
        return a && std::holds_alternative<Kind>(*a);
    }

    std::uint16_t last_id = 0;
    std::size_t server = 0;
    queries core;
    queries::clock::time_point now{1h};
};

} // namespace

TEST(upstream_queries, an_answer_with_socket_id_and_question_is_believed)
{
    exchange e;
    const auto query = e.send(e.ask());
    EXPECT_EQ(query, make_query("www.example", rr::a, true, 1));
    EXPECT_EQ(e.core.in_flight_on(0), 1U);
    EXPECT_TRUE(e.is<queries::answered>(e.core.on_datagram(0, e.answer(query), e.now)));
    EXPECT_EQ(e.core.in_flight(), 0U);
    EXPECT_EQ(e.core.in_flight_on(0), 0U);
    EXPECT_FALSE(e.core.on_datagram(0, e.answer(query), e.now)) << "only once";
}

TEST(upstream_queries, nothing_else_is)
{
    exchange e(2);
    const auto query = e.send(e.ask());
    auto other_id = e.answer(query);
    other_id[1] ^= 1U;
    const auto other_name = e.answer(make_query("evil.example", rr::a, true, 1));
    const auto other_type = e.answer(make_query("www.example", rr::aaaa, true, 1));
    auto no_question = header({.id = 1, .flags = 0x8180, .qd = 0});
    const auto two_questions = header({.id = 1, .flags = 0x8180, .qd = 2}) + question_octets(labels("www.example"), 1);
    for (const auto& forged : {query, other_id, other_name, other_type, no_question, two_questions, packet{0, 1}, packet{}})
        EXPECT_FALSE(e.core.on_datagram(0, forged, e.now));
    EXPECT_FALSE(e.core.on_datagram(1, e.answer(query), e.now)) << "another socket";
    EXPECT_TRUE(e.is<queries::answered>(e.core.on_datagram(0, e.answer(query), e.now)));
}

TEST(upstream_queries, silence_is_asked_again_elsewhere_and_ends)
{
    settings how;
    how.upstream_timeout = 500ms;
    how.upstream_tries = 3;
    exchange e(2, how);
    const auto first = e.send(e.ask());
    EXPECT_EQ(e.core.next_expiry(), e.now + 500ms);
    EXPECT_TRUE(e.core.expire(e.now + 499ms).empty());
    for (const std::size_t expected : {1U, 0U}) {
        e.now += 500ms;
        const auto next = e.core.expire(e.now);
        ASSERT_EQ(next.size(), 1U);
        const auto again = e.send(next[0]);
        EXPECT_EQ(e.server, expected);
        EXPECT_NE(again, first) << "a new id each time";
    }
    EXPECT_FALSE(e.core.on_datagram(0, e.answer(first), e.now)) << "too late";
    e.now += 500ms;
    const auto end = e.core.expire(e.now);
    ASSERT_EQ(end.size(), 1U);
    EXPECT_EQ(std::get<queries::failed>(end[0]).why, errc::timed_out);
    EXPECT_EQ(e.core.in_flight(), 0U);
    EXPECT_EQ(e.core.next_expiry(), queries::clock::time_point::max());
}

TEST(upstream_queries, a_silent_server_holds_up_one_query_and_not_each)
{
    exchange e(2);
    e.send(e.ask("a.example"));
    e.now += 2s;
    const auto second = e.send(e.core.expire(e.now).at(0));
    EXPECT_EQ(e.server, 1U);
    EXPECT_TRUE(e.is<queries::answered>(e.core.on_datagram(1, e.answer(second), e.now)));
    EXPECT_EQ(e.ask("b.example").server, 1U);
    e.now += 31s; // after its rest one query tries it, the others do not wait for the outcome
    EXPECT_EQ(e.ask("c.example").server, 0U);
    EXPECT_EQ(e.ask("d.example").server, 1U);
}

TEST(upstream_queries, silence_about_one_name_is_not_the_servers)
{
    exchange e(2);
    e.send(e.ask("slow.example"));
    e.now += 1s;
    const auto fine = e.send(e.ask("fine.example"));
    EXPECT_TRUE(e.is<queries::answered>(e.core.on_datagram(0, e.answer(fine), e.now)));
    e.now += 1s;
    EXPECT_EQ(e.core.expire(e.now).size(), 1U);
    EXPECT_EQ(e.ask("next.example").server, 0U);
}

TEST(upstream_queries, a_server_that_fails_or_refuses_is_asked_once_and_the_next_then)
{
    for (const unsigned code : {2U, 4U, 5U}) {
        exchange e(2);
        const auto first = e.send(e.ask());
        const auto second = e.send(e.core.on_datagram(0, e.answer(first, 0x8180 | code), e.now));
        EXPECT_EQ(e.server, 1U);
        const auto end = e.core.on_datagram(1, e.answer(second, 0x8180 | code), e.now);
        ASSERT_TRUE(e.is<queries::failed>(end)) << code;
        EXPECT_EQ(std::get<queries::failed>(*end).why, errc::closed);
        EXPECT_EQ(e.ask("next.example").server, 0U) << "it did answer";
    }
}

TEST(upstream_queries, truncated_goes_over_tcp)
{
    exchange e;
    const auto query = e.send(e.ask());
    EXPECT_TRUE(e.is<queries::over_tcp>(e.core.on_datagram(0, e.answer(query, 0x8380), e.now)));
    EXPECT_EQ(e.core.in_flight(), 0U);
}

TEST(upstream_queries, a_server_older_than_edns_is_asked_without_once)
{
    exchange e;
    e.send(e.ask());
    const auto plain = e.send(e.core.on_datagram(0, header({.id = 1, .flags = 0x8181, .qd = 0}), e.now));
    EXPECT_EQ(plain, make_query("www.example", rr::a, false, 2));
    EXPECT_TRUE(e.is<queries::answered>(e.core.on_datagram(0, e.answer(plain, 0x8181), e.now)));
}

TEST(upstream_queries, an_unreachable_server_gives_its_queries_up_at_once)
{
    exchange e(2);
    e.send(e.ask("a.example"));
    e.send(e.ask("b.example"));
    const auto moved = e.core.on_unreachable(0, e.now);
    ASSERT_EQ(moved.size(), 2U);
    for (const auto& each : moved) EXPECT_EQ(std::get<queries::attempt>(each).server, 1U);
    EXPECT_EQ(e.core.in_flight_on(0), 0U);
    EXPECT_EQ(e.ask("c.example").server, 1U);
}

TEST(upstream_queries, a_server_without_a_socket_is_passed_by)
{
    exchange e(1);
    auto next = e.core.could_not_send(e.ask(), e.now);
    for (int tries = 1; std::holds_alternative<queries::attempt>(next); ++tries) {
        ASSERT_LT(tries, 3);
        next = e.core.could_not_send(std::get<queries::attempt>(next), e.now);
    }
    EXPECT_EQ(std::get<queries::failed>(next).why, errc::unreachable);
    EXPECT_EQ(exchange(0).core.ask(exchange::about("www.example"), e.now).error(), errc::unreachable) << "no servers at all";
}

TEST(upstream_queries, what_one_server_may_have_heard_was_heard)
{
    exchange e(2);
    e.send(e.ask());
    e.now += 10s;
    const auto late = e.core.expire(e.now);
    ASSERT_EQ(late.size(), 1U);
    auto next = e.core.could_not_send(std::get<queries::attempt>(late[0]), e.now);
    while (const auto* again = std::get_if<queries::attempt>(&next))
        next = e.core.could_not_send(queries::attempt(*again), e.now);
    EXPECT_EQ(std::get<queries::failed>(next).why, errc::closed);
}

TEST(upstream_queries, in_flight_is_bounded_and_abandoned_whole)
{
    settings how;
    how.max_in_flight = 3;
    exchange e(1, how);
    for (int i = 0; i < 3; ++i) e.send(e.ask());
    EXPECT_EQ(e.core.ask(exchange::about("www.example"), e.now).error(), errc::exhausted);
    EXPECT_EQ(e.core.abandon().size(), 3U);
    EXPECT_EQ(e.core.in_flight(), 0U);
    EXPECT_EQ(e.core.in_flight_on(0), 0U);
    EXPECT_TRUE(e.core.ask(exchange::about("www.example"), e.now));
}
