#include "policy/index.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

namespace cofferdam::policy {
namespace {

using testing::ElementsAre;

endpoint entry(const std::string& text)
{
    return parse_endpoint({text, {}});
}

TEST(prefix_table, longest_prefix_that_allows_the_method)
{
    prefix_table table;
    table.add(entry("GET https://a.example/"), 0);
    table.add(entry("https://a.example/acme/"), 1);
    table.add(entry("POST https://a.example/acme/x"), 2);
    EXPECT_EQ(table.find("/", "GET").entry, 0U);
    EXPECT_EQ(table.find("/acme", "GET").entry, 0U);
    EXPECT_EQ(table.find("/acme/", "GET").entry, 1U);
    EXPECT_EQ(table.find("/acme/x", "GET").entry, 1U);
    EXPECT_EQ(table.find("/acme/x", "POST").entry, 2U);
    EXPECT_EQ(table.find("/acme/x/y", "POST").entry, 2U);
    EXPECT_EQ(table.find("/acme/xy", "POST").entry, 1U);
    EXPECT_EQ(table.find("*", "GET").entry, 0U);
    const auto refused = table.find("/other", "POST");
    EXPECT_EQ(refused.entry, no_entry);
    EXPECT_TRUE(refused.covers_path);
}

TEST(prefix_table, agrees_with_covers_path)
{
    std::mt19937 random(7); // fixed: the same cases each time
    const auto path = [&] {
        std::string out = "/";
        for (auto n = random() % 7; n > 0; --n) out += "ab/"[random() % 3];
        return out;
    };
    for (int round = 0; round < 2000; ++round) {
        prefix_table table;
        std::vector<std::string> prefixes;
        for (auto n = 1 + random() % 4; n > 0; --n) {
            auto prefix = path();
            if (prefix.find("//") != std::string::npos) continue;
            table.add(entry("https://a.example" + prefix), static_cast<entry_number>(prefixes.size()));
            prefixes.push_back(prefix);
        }
        const auto asked = path();
        const auto expected = std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& p) { return covers_path(p, asked); });
        EXPECT_EQ(table.find(asked, "GET").entry != no_entry, expected) << asked << " " << testing::PrintToString(prefixes);
    }
}

std::vector<entry_number> matches(const endpoint_index& index, std::string_view host)
{
    std::vector<entry_number> out;
    const auto note = [&](const host_rules& rules) {
        out.push_back(rules.first);
        return false;
    };
    if (const auto literal = ip_address::parse(host))
        index.for_each_match(*literal, note);
    else
        index.for_each_match(host, note);
    return out;
}

TEST(endpoint_index, narrowest_pattern_first)
{
    endpoint_index index;
    const std::vector<std::string> lines{"**.example:1",  "**.b.example:1", "*.b.example:1",     "a.b.example:1", "10.0.0.0/8:1",
                                         "10.1.0.0/16:1", "10.1.2.3:1",     "[2001:db8::/32]:1", "0.0.0.0/0:1",   "[::/0]:1"};
    for (entry_number i = 0; i < lines.size(); ++i) index.add(entry(lines[i]), i);
    EXPECT_THAT(matches(index, "a.b.example"), ElementsAre(3, 2, 1, 0));
    EXPECT_THAT(matches(index, "x.a.b.example"), ElementsAre(1, 0));
    EXPECT_THAT(matches(index, "b.example"), ElementsAre(0));
    EXPECT_THAT(matches(index, "example"), ElementsAre());
    EXPECT_THAT(matches(index, "10.1.2.3"), ElementsAre(6, 5, 4, 8));
    EXPECT_THAT(matches(index, "11.1.2.3"), ElementsAre(8));
    EXPECT_THAT(matches(index, "2001:db8::1"), ElementsAre(7, 9));
    EXPECT_THAT(matches(index, "::1"), ElementsAre(9));
}

} // namespace
} // namespace cofferdam::policy
