#include "http/h2_budget.hpp"

#include <gtest/gtest.h>

namespace cofferdam::http {
namespace {

using std::chrono::seconds;

TEST(refilling_budget_test, is_spent_filled_and_never_more_than_full)
{
    refilling_budget budget(10, seconds(10));
    refilling_budget::clock::time_point now{seconds(100)};
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(budget.spend(now)) << i;
    EXPECT_FALSE(budget.spend(now));
    now += seconds(3);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.spend(now)) << i;
    EXPECT_FALSE(budget.spend(now));
    now += seconds(1000);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(budget.spend(now)) << i;
    EXPECT_FALSE(budget.spend(now));
    budget.earn();
    EXPECT_TRUE(budget.spend(now));
    EXPECT_FALSE(budget.spend(now));
}

TEST(refilling_budget_test, a_clock_that_stands_still_or_goes_back_fills_nothing)
{
    refilling_budget budget(1, seconds(1));
    refilling_budget::clock::time_point now{seconds(100)};
    EXPECT_TRUE(budget.spend(now));
    EXPECT_FALSE(budget.spend(now - seconds(50)));
    EXPECT_FALSE(budget.spend(now));
}

} // namespace
} // namespace cofferdam::http
