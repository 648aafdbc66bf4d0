#include "core/frame_store.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

using cofferdam::give_frame;
using cofferdam::take_frame;

#ifndef __SANITIZE_ADDRESS__ // where nothing is kept
TEST(frame_store, gives_out_what_was_given_back_last_for_any_size_that_rounds_to_the_same)
{
    void* first = take_frame(100);
    void* second = take_frame(128);
    ASSERT_NE(first, second);
    std::memset(first, 1, 128); // all of it may be used
    give_frame(first, 100);
    give_frame(second, 128);
    EXPECT_EQ(take_frame(65), second);
    EXPECT_EQ(take_frame(128), first);
    give_frame(first, 128);
    give_frame(second, 65);
}
#endif

TEST(frame_store, keeps_sizes_apart)
{
    void* small = take_frame(1000);
    give_frame(small, 1000);
    void* large = take_frame(1500);
    EXPECT_NE(small, large);
    std::memset(large, 1, 1500);
    give_frame(large, 1500);
    for (const std::size_t size : {std::size_t{0}, std::size_t{4096}, std::size_t{4097}, std::size_t{100'000}}) {
        void* frame = take_frame(size);
        ASSERT_NE(frame, nullptr);
        std::memset(frame, 1, size);
        give_frame(frame, size);
    }
}

TEST(frame_store, keeps_a_bounded_number_and_takes_frames_of_other_threads)
{
    std::vector<void*> frames;
    for (int i = 0; i < 1000; ++i) frames.push_back(take_frame(2048)); // far more than is kept
    std::thread([&frames] {
        for (void* frame : frames) give_frame(frame, 2048);
        void* mine = take_frame(2048);
#ifndef __SANITIZE_ADDRESS__
        EXPECT_EQ(mine, frames[15]);
#endif
        give_frame(mine, 2048);
    }).join();
}

#ifndef __SANITIZE_ADDRESS__
TEST(frame_store, is_not_full_of_one_size_for_another)
{
    std::vector<void*> frames;
    for (int i = 0; i < 1000; ++i) frames.push_back(take_frame(3000));
    for (void* frame : frames) give_frame(frame, 3000);
    void* other = take_frame(700);
    give_frame(other, 700);
    void* blocker = take_frame(300); // what operator new gives out next is another
    EXPECT_EQ(take_frame(700), other);
    give_frame(other, 700);
    give_frame(blocker, 300);
}
#endif

TEST(frame_store, serves_what_ends_after_it)
{
    struct late {
        void* frame = nullptr;
        ~late() { give_frame(frame, 64); }
    };
    std::thread([] {
        thread_local late last; // constructed before the store, so destroyed after it
        last.frame = take_frame(64);
        give_frame(take_frame(64), 64);
    }).join();
}
