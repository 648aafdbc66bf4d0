#include "dns/budget.hpp"
#include "dns/types.hpp"

#include <gtest/gtest.h>
#include <thread>

using namespace cofferdam;
using namespace cofferdam::dns;

namespace {

const name_rule unlisted;
const name_rule listed{name_rule::kind::exact, {}, {}};

name_rule below(std::string suffix, std::optional<std::uint32_t> bits = {})
{
    return {name_rule::kind::wildcard, std::move(suffix), bits};
}

/// How many of the names NAME0, NAME1, ... of `make` pass until the first refusal.
template <class Make>
std::size_t passing(budget& b, std::size_t most, const name_rule& rule, Make make)
{
    for (std::size_t i = 0; i < most; ++i) {
        if (!b.spend(make(i), rr::a, rule).allowed) return i;
    }
    return most;
}

// Base 32 of a counter that looks random.
std::string noise(std::size_t i, std::size_t letters)
{
    std::uint64_t x = (i + 1) * 0x9E3779B97F4A7C15U;
    std::string out;
    while (out.size() < letters) {
        out += "abcdefghijklmnopqrstuvwxyz234567"[x >> 59];
        x = x * 6364136223846793005U + 1442695040888963407U;
    }
    return out;
}

} // namespace

TEST(budget_tiers, come_from_policy_lists_and_suffixes)
{
    budget b({});
    EXPECT_EQ(b.spend("anything.exf6.net", rr::a, listed).tier, name_tier::known);
    EXPECT_EQ(b.spend("api.github.com", rr::a, unlisted).tier, name_tier::known) << "a shipped CI host";
    EXPECT_EQ(b.spend("zz-other.github.com", rr::a, unlisted).tier, name_tier::popular);
    EXPECT_EQ(b.spend("a.b.exf6.net", rr::a, unlisted).tier, name_tier::unknown);
    EXPECT_EQ(b.spend("ec2.us-east-1.amazonaws.com", rr::a, unlisted).tier, name_tier::provider);
    const auto by_rule = b.spend("c.b.exf6.net", rr::a, below("b.exf6.net"));
    EXPECT_EQ(by_rule.tier, name_tier::wildcard);
    EXPECT_EQ(by_rule.key.view(), "b.exf6.net");
    EXPECT_EQ(by_rule.limit, 8 * 1024U);
    EXPECT_EQ(b.spend("d.b.exf6.net", rr::a, below("b.exf6.net", 512)).limit, 8 * 512U);
    EXPECT_EQ(b.spend("k.s3.amazonaws.com", rr::a, below("s3.amazonaws.com")).limit, 8 * 8192U);
    EXPECT_EQ(b.spend("evil.eu.org", rr::a, unlisted).tier, name_tier::unknown) << "does not inherit what its parent is worth";
    EXPECT_EQ(b.spend("8.8.8.8.in-addr.arpa", rr::ptr, unlisted).key.view(), "arpa");
}

TEST(budget_known, names_are_free_however_many)
{
    budget_settings how;
    how.baseline = {"nbswy3dpeb3w64tmmqqho33snrsa.exf6.net"};
    budget b(how);
    for (std::size_t i = 0; i < 10'000; ++i) ASSERT_TRUE(b.spend(noise(i, 32) + ".exf6.net", rr::txt, listed).allowed);
    const auto learned = b.spend("nbswy3dpeb3w64tmmqqho33snrsa.exf6.net", rr::txt, unlisted);
    EXPECT_EQ(learned.tier, name_tier::known);
    EXPECT_EQ(learned.spent, 0U);
}

TEST(budget_price, of_a_visit_of_types_and_of_repetition)
{
    budget b({});
    EXPECT_EQ(b.spend("exf6.net", rr::a, unlisted).cost, 8U);
    EXPECT_EQ(b.spend("exf6.net", rr::aaaa, unlisted).cost, 0U);
    EXPECT_EQ(b.spend("exf6.net", rr::txt, unlisted).cost, 32U);
    EXPECT_EQ(b.spend("www.exf6.net", rr::a, unlisted).cost, 16U);
    const auto deeper = b.spend("api.exf6.net", rr::a, unlisted);
    EXPECT_EQ(deeper.cost, 8U + 8U + 8U + 54U) << "a new name, one of two nodes, one more label, the label";
    EXPECT_EQ(b.spend("v1.api.exf6.net", rr::a, unlisted).cost, 8U + 13U + 8U + name_model::shipped().labels.price("v1").cost)
        << "the rest is paid already";
    const auto again = b.spend("api.exf6.net", rr::a, unlisted);
    EXPECT_TRUE(again.allowed && again.paid_before);
    EXPECT_EQ(again.cost, 0U);
    EXPECT_EQ(again.price, deeper.cost);
}

TEST(budget_block, is_sticky_and_alerts_once)
{
    budget b({});
    const auto too_long = noise(1, 40) + ".exf6.net";
    const auto first = b.spend(too_long, rr::a, unlisted);
    EXPECT_FALSE(first.allowed);
    EXPECT_TRUE(first.first_refusal);
    EXPECT_EQ(setting_of(first), "dns.exfiltration.unknown_domain_bits");
    EXPECT_NE(explain(first).find("exf6.net may say 128 bits, 0 are spent, this needs "), std::string::npos) << explain(first);
    const auto next = b.spend("www.exf6.net", rr::a, unlisted);
    EXPECT_FALSE(next.allowed);
    EXPECT_FALSE(next.first_refusal);
    EXPECT_TRUE(b.spend("www.exf7.net", rr::a, unlisted).allowed) << "another domain";
    EXPECT_TRUE(b.spend("x.exf6.net", rr::a, listed).allowed) << "what the policy names is free";
}

TEST(budget_limits, of_a_query)
{
    budget b({});
    const auto refused = b.spend(noise(1, 60) + ".exf6.net", rr::a, below("exf6.net", 100'000));
    EXPECT_FALSE(refused.allowed);
    EXPECT_EQ(refused.setting, "query_bits");
}

TEST(budget_limits, of_a_query_below_a_wildcard)
{
    budget b({});
    const auto login = noise(1, 28);
    const auto refused = b.spend(login + ".exf6.net", rr::a, below("exf6.net"));
    EXPECT_FALSE(refused.allowed);
    EXPECT_EQ(refused.setting, "wildcard_query_bits");
    EXPECT_EQ(explain(refused).find("one query below exf6.net would say "), 0U) << explain(refused);
    EXPECT_EQ(explain(b.block("odd.exf9.net", unlisted)),
              "exf9.net is blocked for this job: a name that no host can have was asked for");
    EXPECT_TRUE(b.spend(login + ".exf7.net", rr::a, below("exf7.net", 1024)).allowed) << "the entry says how much it may be";
    EXPECT_TRUE(b.spend(login + ".s3.amazonaws.com", rr::a, below("s3.amazonaws.com")).allowed) << "a provider's";
    EXPECT_TRUE(b.spend("productionresultssa19.exf8.net", rr::a, below("exf8.net")).allowed);
}

TEST(budget_limits, of_all_unknown_domains_together)
{
    const auto spread = [](budget& b) {
        return passing(b, 64, unlisted, [](std::size_t i) { return noise(i, 4) + ".exf" + std::to_string(i) + ".net"; });
    };
    budget strict({});
    EXPECT_LE(spread(strict), 6U);
    budget_settings how;
    how.job_limit_alerts_only = true;
    budget lenient(how);
    EXPECT_EQ(spread(lenient), 64U);
    EXPECT_TRUE(lenient.spend("abcd.exf99.net", rr::a, unlisted).over_job_limit);
}

TEST(budget_limits, of_new_domains)
{
    budget_settings how;
    how.new_domains = 10;
    budget b(how);
    EXPECT_EQ(passing(b, 20, unlisted, [](std::size_t i) { return "exf" + std::to_string(i) + ".net"; }), 10U);
    EXPECT_EQ(b.spend("exf30.net", rr::a, unlisted).setting, "new_domains");
}

TEST(budget_limits, of_each_table)
{
    const auto refused_by = [](budget_settings how) {
        budget b(how);
        for (std::size_t i = 0; i < 100; ++i) {
            const auto got =
                b.spend("n" + std::to_string(i % 10) + ".exf" + std::to_string(i) + ".net", rr::a, below("net", 100'000));
            if (!got.allowed) return std::string(got.setting);
        }
        return std::string();
    };
    budget_settings paths, answers, keys;
    paths.max_paths = 16;
    answers.max_answers = 16;
    keys.max_keys = 4;
    EXPECT_EQ(refused_by({}), "");
    EXPECT_EQ(refused_by(paths), "max_paths");
    EXPECT_EQ(refused_by(answers), "max_answers");
    budget few(keys);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(few.spend("exf" + std::to_string(i) + ".net", rr::a, unlisted).allowed);
    const auto full = few.spend("exf9.net", rr::a, unlisted);
    EXPECT_EQ(full.setting, "max_keys");
    EXPECT_TRUE(full.first_refusal);
    EXPECT_FALSE(few.spend("exf10.net", rr::a, unlisted).first_refusal) << "one alert for all that have no ledger";
    EXPECT_TRUE(few.spend("exf1.net", rr::aaaa, unlisted).allowed);
}

// What a stranger chose below a provider's domain carries at most eight bytes, in whatever chunks.
TEST(budget_tenants, of_a_provider_say_little_where_no_rule_allows_them)
{
    for (const std::size_t letters : {2U, 3U, 4U, 5U, 6U, 8U, 10U, 12U, 13U, 16U, 32U, 52U}) {
        budget b({});
        const auto passed = passing(b, 100, unlisted, [&](std::size_t i) { return noise(i, letters) + ".s3.amazonaws.com"; });
        EXPECT_LE(passed * letters * 5, 8 * 8U) << letters << " letters, " << passed << " names";
    }
    budget words({});
    const auto listed_words = name_model::shipped().labels.words();
    EXPECT_LE(passing(words, 100, unlisted,
                      [&](std::size_t i) { return std::string(listed_words[i * 37].label) + ".s3.amazonaws.com"; }),
              5U);
    EXPECT_TRUE(words.spend("ec2.eu-west-1.amazonaws.com", rr::a, unlisted).allowed) << "the provider's own names go on";
    EXPECT_TRUE(words.spend("bucket.s3.amazonaws.com", rr::a, below("s3.amazonaws.com")).allowed) << "and so do a rule's";
}

TEST(budget_retries, of_what_nobody_answered_are_not_free)
{
    budget b({});
    EXPECT_TRUE(b.spend("a.exf6.net", rr::a, unlisted).allowed);
    std::size_t retries = 0;
    for (; retries < 1000; ++retries) {
        b.unanswered("a.exf6.net", rr::a);
        const auto once_more = b.spend("a.exf6.net", rr::a, unlisted);
        if (!once_more.allowed) break;
        EXPECT_GT(once_more.cost, 0U);
        EXPECT_TRUE(b.spend("a.exf6.net", rr::a, unlisted).paid_before) << "the same try, judged twice";
    }
    EXPECT_GT(retries, 5U);
    EXPECT_LT(retries, 100U);
}

TEST(budget_odd_names, block_their_domain)
{
    budget b({});
    EXPECT_TRUE(b.block("t.exf6.net", unlisted).first_refusal);
    EXPECT_FALSE(b.spend("www.exf6.net", rr::a, unlisted).allowed);
    EXPECT_FALSE(b.block("exf6.net", unlisted).first_refusal);
}

TEST(budget_threads, share_one_account)
{
    budget b({});
    std::atomic<unsigned> passed{0};
    const auto flood = [&](std::size_t start) {
        for (std::size_t i = start; i < start + 2000; ++i)
            passed += b.spend(noise(i, 3) + ".exf6.net", rr::a, unlisted).allowed ? 1U : 0U;
    };
    std::thread first(flood, 0), second(flood, 2000);
    first.join();
    second.join();
    EXPECT_LE(passed, 5U);
}
