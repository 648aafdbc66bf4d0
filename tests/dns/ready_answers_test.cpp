#include "playbook.hpp"

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;
using namespace std::chrono_literals;

namespace {

/// What a queue's thread does with a query: judged first, then looked up.
std::optional<answer> look_up(playbook& p, const packet& query, transport how = transport::udp)
{
    auto said = p.gate.inspect(query, how, p.source, ++p.tickets, p.now);
    auto* free = std::get_if<passed>(&said);
    return free != nullptr ? p.ready.find(*free, p.now) : std::nullopt;
}

/// Asked for once, so that upstream's answer is cached, and once more, so that it is ready.
void make_ready(playbook& p, std::string_view qname, std::uint16_t qtype, unsigned an, const packet& records, unsigned code = 0)
{
    p.allowed.insert(std::string(qname));
    const auto f = p.forwarded(p.ask(qname, qtype));
    EXPECT_FALSE(look_up(p, make_query(qname, qtype))) << "not before anybody asked again";
    p.reply(f, an, records, code);
    p.answered(p.ask(qname, qtype));
}

packet address(std::uint32_t ttl)
{
    return record_octets(to_question, rr::a, ttl, {93, 184, 216, 34});
}

} // namespace

TEST(ready_answers, are_what_the_resolver_said_to_whoever_asks)
{
    playbook p;
    make_ready(p, "registry.example", rr::a, 1, address(300));
    for (const auto* spelled : {"registry.example", "REGISTRY.Example"}) {
        for (const bool with_edns : {true, false}) {
            auto query = make_query(spelled, rr::a, with_edns);
            query[0] = 0xAB;
            playbook other;
            other.allowed = p.allowed;
            other.reply_address(other.forwarded(other.ask("registry.example")));
            const auto slow = other.core.on_query(query, transport::udp, other.source, 1, other.now);
            const auto got = look_up(p, query);
            ASSERT_TRUE(got);
            EXPECT_EQ(got->bytes, std::get<answer>(slow).bytes);
            EXPECT_EQ(got->to, p.tickets);
            EXPECT_EQ(got->facts.qname, "registry.example");
            EXPECT_EQ(got->facts.qtype, "A");
            EXPECT_EQ(got->facts.rcode, "NOERROR");
            EXPECT_EQ(got->facts.answers, std::vector<std::string>{"198.18.0.1"});
            EXPECT_EQ(got->facts.decision.rule, "dns:registry.example");
            EXPECT_EQ(got->facts.source.to_string(), p.source.to_string());
        }
    }
}

TEST(ready_answers, end_with_what_upstream_said)
{
    playbook p;
    make_ready(p, "registry.example", rr::a, 1, address(300));
    p.pass(299s);
    EXPECT_TRUE(look_up(p, make_query("registry.example")));
    p.pass(1s);
    EXPECT_FALSE(look_up(p, make_query("registry.example")));
    p.forwarded(p.ask("registry.example"));
}

TEST(ready_answers, real_records_grow_old)
{
    playbook p(real_answers());
    make_ready(p, "registry.example", rr::a, 1, address(300));
    const auto ttl_of = [](const answer& a, const query_head& asked) {
        const auto read = parse_response(a.bytes, {asked.qname, asked.qtype});
        return read ? read->answers.at(0).ttl : 9999;
    };
    p.pass(100s);
    const auto query = make_query("registry.example");
    const auto got = look_up(p, query);
    ASSERT_TRUE(got);
    EXPECT_EQ(ttl_of(*got, *parse_query(query)), 200U);
}

TEST(ready_answers, a_name_that_does_not_exist_is_recorded_as_such)
{
    playbook p;
    make_ready(p, "absent.example", rr::a, 0, {}, 3);
    const auto got = look_up(p, make_query("absent.example"));
    ASSERT_TRUE(got);
    EXPECT_EQ(rcode_of(got->bytes), 3U);
    EXPECT_EQ(got->facts.rcode, "NXDOMAIN");
    EXPECT_EQ(got->facts.decision.why, reason::name_not_found);
    EXPECT_TRUE(got->facts.decision.allowed);
}

TEST(ready_answers, belong_to_one_policy)
{
    playbook p;
    make_ready(p, "registry.example", rr::a, 1, address(300));
    p.rules = 2;
    EXPECT_FALSE(look_up(p, make_query("registry.example"))) << "where its chain leads is judged anew";
    p.answered(p.ask("registry.example"));
    EXPECT_TRUE(look_up(p, make_query("registry.example")));
    p.allowed.clear();
    p.rules = 3;
    EXPECT_EQ(p.answered(p.ask("registry.example")).code, 5U);
}

TEST(ready_answers, refusals_and_failures_are_never_ready)
{
    playbook p(real_answers());
    p.allowed = {"private.example", "broken.example", "hop.example"};
    p.denied_by_rule = {"evil.example"};
    p.reply_address(p.forwarded(p.ask("private.example")), {10, 0, 0, 1});
    EXPECT_EQ(p.answered(p.ask("private.example")).code, 5U);
    p.reply(p.forwarded(p.ask("broken.example")), 0, {}, 2);
    EXPECT_EQ(p.answered(p.ask("broken.example")).code, 2U);
    for (const auto* each : {"private.example", "broken.example", "evil.example"}) EXPECT_FALSE(look_up(p, make_query(each)));
}

TEST(ready_answers, what_does_not_fit_a_datagram_is_left_to_the_resolver)
{
    playbook p(real_answers());
    packet records;
    for (std::uint8_t i = 0; i < 60; ++i) records = records + record_octets(to_question, rr::a, 300, {93, 184, 216, i});
    p.allowed = {"many.example"};
    p.reply(p.forwarded(p.ask("many.example")), 60, records);
    p.answered(p.send(make_query("many.example"), transport::tcp));
    EXPECT_TRUE(look_up(p, make_query("many.example"), transport::tcp));
    EXPECT_FALSE(look_up(p, make_query("many.example", rr::a, false)));
    EXPECT_TRUE(std::get<answer>(p.send(make_query("many.example", rr::a, false))).bytes[2] & 0x02) << "truncated";
}

TEST(ready_answers, are_bounded_and_the_least_used_go)
{
    ready_answers few(2);
    playbook p;
    const auto put = [&](std::string_view qname) {
        p.allowed.insert(std::string(qname));
        if (const auto did = p.ask(qname); std::holds_alternative<forward>(did)) p.reply_address(std::get<forward>(did));
        const auto query = make_query(qname);
        auto did = p.core.on_query(query, transport::udp, p.source, 1, p.now);
        few.keep(*parse_query(query), std::get<answer>(did), p.now + 1h, false, p.now);
    };
    const auto has = [&](std::string_view qname) {
        auto said = p.gate.inspect(make_query(qname), transport::udp, p.source, 1, p.now);
        return few.find(std::get<passed>(said), p.now).has_value();
    };
    put("a.example");
    put("b.example");
    EXPECT_TRUE(has("a.example"));
    put("c.example");
    EXPECT_TRUE(has("a.example"));
    EXPECT_FALSE(has("b.example"));
    EXPECT_TRUE(has("c.example"));
}
