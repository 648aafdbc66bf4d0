#include "http/h2_stream_history.hpp"

#include <gtest/gtest.h>

namespace cofferdam::http {
namespace {

using fault = h2_stream_history::fault;

TEST(h2_stream_history, tells_streams_passed_over_from_those_that_ended)
{
    h2_stream_history history;
    EXPECT_TRUE(history.is_new(1));
    history.open(1);
    history.open(3);
    history.open(9);
    history.end(3);
    EXPECT_EQ(history.check(1), std::nullopt) << "what we reset may still be sent on";
    EXPECT_EQ(history.check(3), fault::ended);
    EXPECT_EQ(history.check(5), fault::passed_over);
    EXPECT_EQ(history.check(7), fault::passed_over);
    EXPECT_EQ(history.check(11), std::nullopt);
    EXPECT_TRUE(history.is_new(11));
    EXPECT_FALSE(history.is_new(9));
}

TEST(h2_stream_history, the_first_stream_may_be_a_later_one)
{
    h2_stream_history history;
    history.open(7);
    EXPECT_EQ(history.check(1), fault::passed_over);
    EXPECT_EQ(history.check(7), std::nullopt);
}

TEST(h2_stream_history, forgets_what_is_long_ago)
{
    h2_stream_history history;
    for (stream_id id = 5; id < 40'000; id += 4) { // leaves out every other one
        history.open(id);
        history.end(id);
    }
    EXPECT_EQ(history.check(3), std::nullopt);
    EXPECT_EQ(history.check(5), std::nullopt);
    EXPECT_EQ(history.check(39'997), fault::ended);
    EXPECT_EQ(history.check(39'995), fault::passed_over);
}

} // namespace
} // namespace cofferdam::http
