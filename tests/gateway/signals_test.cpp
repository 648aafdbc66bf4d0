#include "gateway/signals.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

using namespace cofferdam;

TEST(forwarded_signals, gives_out_what_was_sent)
{
    gateway::forwarded_signals signals;
    ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
    pollfd watched{signals.descriptor(), POLLIN, 0};
    ASSERT_EQ(::poll(&watched, 1, 1000), 1);
    const auto arrived = signals.take();
    ASSERT_EQ(arrived.size(), 1U);
    EXPECT_EQ(arrived[0].number, SIGTERM);
    EXPECT_FALSE(arrived[0].from_terminal);
    EXPECT_TRUE(signals.take().empty());
}
