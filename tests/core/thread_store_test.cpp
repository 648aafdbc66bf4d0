#include "core/thread_store.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <thread>

using cofferdam::thread_store;

namespace {
using numbers = thread_store<std::unique_ptr<int>, 2>;
}

#ifndef __SANITIZE_ADDRESS__ // where nothing is kept
TEST(thread_store, gives_out_what_it_was_given_and_makes_new_ones_otherwise)
{
    EXPECT_EQ(numbers::take(), nullptr);
    numbers::give(std::make_unique<int>(1));
    numbers::give(std::make_unique<int>(2));
    numbers::give(std::make_unique<int>(3)); // one too many
    EXPECT_EQ(*numbers::take(), 2);
    EXPECT_EQ(*numbers::take(), 1);
    EXPECT_EQ(numbers::take(), nullptr);
}

TEST(thread_store, each_thread_has_its_own)
{
    numbers::give(std::make_unique<int>(1));
    std::thread([] {
        EXPECT_EQ(numbers::take(), nullptr);
        numbers::give(std::make_unique<int>(2)); // gone with the thread
    }).join();
    EXPECT_EQ(*numbers::take(), 1);
    EXPECT_EQ(numbers::take(), nullptr);
}
#endif
