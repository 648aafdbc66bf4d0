#include "gateway/leaf_rejections.hpp"

#include <gtest/gtest.h>

namespace cofferdam::gateway {
namespace {

TEST(leaf_rejections, two_are_enough_for_one_target)
{
    leaf_rejections seen;
    seen.add("a.example:443");
    seen.add("b.example:443");
    EXPECT_FALSE(seen.reached("a.example:443"));
    seen.add("a.example:443");
    EXPECT_TRUE(seen.reached("a.example:443"));
    EXPECT_FALSE(seen.reached("a.example:8443"));
    EXPECT_FALSE(seen.reached("b.example:443"));
}

TEST(leaf_rejections, what_finds_no_place_is_not_counted)
{
    leaf_rejections seen;
    for (std::size_t i = 0; i < leaf_rejections::max_targets; ++i) seen.add("h" + std::to_string(i));
    for (int i = 0; i < 5; ++i) seen.add("late");
    seen.add("h0");
    EXPECT_FALSE(seen.reached("late"));
    EXPECT_TRUE(seen.reached("h0"));
}

} // namespace
} // namespace cofferdam::gateway
