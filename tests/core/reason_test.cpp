#include "core/identity.hpp"
#include "core/reason.hpp"

#include <gtest/gtest.h>
#include <set>

using namespace cofferdam;

TEST(reason, tokens_are_unique_and_described)
{
    std::set<std::string_view> tokens;
    for (int i = 0; i <= static_cast<int>(reason::internal_error); ++i) {
        EXPECT_TRUE(tokens.insert(to_string(static_cast<reason>(i))).second);
        EXPECT_FALSE(describe(static_cast<reason>(i)).empty());
    }
    EXPECT_EQ(to_string(reason::exfiltration_budget), "exfiltration_budget");
    EXPECT_EQ(to_string(reason::internal_error), "internal_error");
    EXPECT_EQ(to_string(reason::multicast_dns), "multicast_dns");
    EXPECT_EQ(to_string(reason::dns_response_from_client), "dns_response_from_client");
    EXPECT_EQ(to_string(reason::dns_on_other_port), "dns_on_other_port");
    EXPECT_TRUE(is_refusal(reason::not_in_allow_list));
    EXPECT_TRUE(is_refusal(reason::multicast_dns));
    EXPECT_TRUE(is_refusal(reason::dns_on_other_port));
    EXPECT_FALSE(is_refusal(reason::name_not_found));
    EXPECT_FALSE(is_refusal(reason::connect_failed));
}

TEST(identifier, is_unique_and_twenty_characters)
{
    std::set<std::string> seen;
    for (int i = 0; i < 10'000; ++i) {
        const auto id = new_identifier();
        ASSERT_EQ(id.size(), 20U);
        ASSERT_TRUE(seen.insert(id).second) << id;
    }
}
