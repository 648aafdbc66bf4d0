#include "playbook.hpp"

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;
using namespace std::chrono_literals;

namespace {

inspector::outcome inspect(playbook& p, const packet& query)
{
    return p.gate.inspect(query, transport::udp, p.source, 1, p.now);
}

seen refused(const inspector::outcome& o)
{
    const auto* got = std::get_if<answer>(&o);
    if (got == nullptr) {
        ADD_FAILURE() << "not answered, but alternative " << o.index();
        return {};
    }
    return playbook::read(*got);
}

const packet random_label = make_query("nbswy3dpeb3w64tmmqqho33snrsanbswy3dpeb.exf6.net");

} // namespace

TEST(inspector, passes_what_was_paid_again_at_no_cost)
{
    playbook p;
    p.audit_only = {"api.exf6.net"};
    const auto once = inspect(p, make_query("api.exf6.net")), twice = inspect(p, make_query("Api.Exf6.net"));
    const auto& first = std::get<passed>(once);
    const auto& second = std::get<passed>(twice);
    EXPECT_GT(first.paid->cost, 0U);
    EXPECT_EQ(second.paid->cost, 0U);
    EXPECT_EQ(second.paid->price, first.paid->price);
    EXPECT_EQ(second.paid->spent, first.paid->spent);
}

TEST(inspector, judges_the_policy_before_the_budget)
{
    playbook p;
    const auto got = refused(inspect(p, random_label));
    EXPECT_EQ(got.facts.decision.why, reason::not_in_allow_list);
    EXPECT_FALSE(got.facts.paid) << "what does not leave is not charged";
}

TEST(inspector, refuses_what_the_domain_may_not_say_and_names_the_setting)
{
    playbook p;
    p.audit_only = {"nbswy3dpeb3w64tmmqqho33snrsanbswy3dpeb.exf6.net", "www.exf6.net"};
    const auto got = refused(inspect(p, random_label));
    EXPECT_EQ(got.code, 5U);
    EXPECT_EQ(got.facts.decision.why, reason::exfiltration_budget);
    EXPECT_FALSE(got.facts.decision.allowed);
    EXPECT_EQ(got.facts.decision.rule, "dns.exfiltration.unknown_domain_bits");
    EXPECT_TRUE(got.facts.paid->first_refusal);
    EXPECT_NE(got.text.find("exf6.net may say 128 bits"), std::string::npos);
    EXPECT_EQ(refused(inspect(p, make_query("www.exf6.net"))).facts.decision.why, reason::exfiltration_budget);
}

TEST(inspector, blocks_the_domain_of_an_odd_name)
{
    playbook p;
    p.audit_only = {"www.exf6.net", "t.exf6.net"};
    const auto odd = header({}) + packet{7, 'a', '=', 'b', 0, '.', ' ', 1} + labels("t.exf6.net") + packet{0, 1, 0, 1};
    EXPECT_EQ(refused(inspect(p, odd)).facts.decision.why, reason::malformed_name);
    EXPECT_EQ(refused(inspect(p, make_query("www.exf6.net"))).facts.decision.why, reason::exfiltration_budget);
}

TEST(inspector, a_denied_domain_has_no_account_to_block)
{
    playbook p;
    p.audit_only = {"www.exf6.net"};
    const auto odd = header({}) + packet{3, 'a', '=', 'b'} + labels("t.exf7.net") + packet{0, 1, 0, 1};
    const auto got = refused(inspect(p, odd));
    EXPECT_EQ(got.facts.decision.why, reason::malformed_name);
    EXPECT_FALSE(got.facts.paid.has_value());
}

TEST(inspector, drops_responses)
{
    playbook p;
    const auto response = header({.flags = 0x8180}) + question_octets(labels("a.example"), rr::a);
    const auto said = inspect(p, response);
    ASSERT_TRUE(std::holds_alternative<drop>(said));
    EXPECT_EQ(reason::dns_response_from_client, std::get<drop>(said).facts.decision.why);
}

TEST(inspector, answers_what_the_search_list_tries)
{
    settings how;
    how.search_suffixes = {"corp.internal"};
    playbook p(how);
    p.audit_only = {"github.com.corp.internal"};
    p.allowed = {"db.corp.internal"};
    const auto got = refused(inspect(p, make_query("github.com.corp.internal")));
    EXPECT_EQ(got.code, 3U);
    EXPECT_TRUE(got.facts.decision.allowed);
    EXPECT_TRUE(std::holds_alternative<passed>(inspect(p, make_query("db.corp.internal"))));
}

// What was paid for is asked once a job, whatever its time to live; what the policy names is asked again.
TEST(resolver_budget, keeps_answers_that_were_paid_for)
{
    for (const bool is_listed : {false, true}) {
        playbook p;
        (is_listed ? p.allowed : p.audit_only) = {"api.exf6.net"};
        only(p.reply_address(p.forwarded(p.ask("api.exf6.net"))));
        p.pass(48h);
        EXPECT_EQ(std::holds_alternative<forward>(p.ask("api.exf6.net")), is_listed);
    }
}

TEST(resolver_budget, charges_once_more_for_what_nobody_answered)
{
    playbook p;
    p.audit_only = {"api.exf6.net"};
    std::size_t asked = 0;
    for (; asked < 100; ++asked) {
        const auto did = p.ask("api.exf6.net");
        if (!std::holds_alternative<forward>(did)) break;
        p.fail(std::get<forward>(did), errc::timed_out);
        p.pass(10s);
    }
    EXPECT_GT(asked, 3U);
    EXPECT_LT(asked, 60U);
}
