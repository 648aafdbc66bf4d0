#include "tls/record_memory.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace cofferdam::tls {
namespace {

constexpr std::size_t record = 16'704;

TEST(record_memory, a_buffer_given_back_is_the_next_one)
{
    void* first = take_record_memory(record);
    std::memset(first, 1, record);
    give_record_memory(first);
    void* second = take_record_memory(record);
    EXPECT_EQ(second, first);
    give_record_memory(second);
}

TEST(record_memory, is_never_smaller_than_asked_for)
{
    give_record_memory(take_record_memory(record));
    void* larger = take_record_memory(2 * record);
    std::memset(larger, 1, 2 * record); // the sanitizers see to it
    give_record_memory(larger);
}

TEST(record_memory, what_is_kept_is_bounded_and_other_sizes_pass)
{
    std::vector<void*> all;
    for (int i = 0; i < 100; ++i) all.push_back(take_record_memory(record));
    for (void* each : all) give_record_memory(each);
    for (const std::size_t size : {std::size_t{1}, std::size_t{1000}, std::size_t{100'000}}) {
        void* other = take_record_memory(size);
        std::memset(other, 1, size);
        give_record_memory(other);
    }
    give_record_memory(nullptr);
}

TEST(record_memory, many_buffers_for_one_record_leave_room_for_one_of_two)
{
    std::vector<void*> all;
    for (int i = 0; i < 100; ++i) all.push_back(take_record_memory(record));
    for (void* each : all) give_record_memory(each);
    void* first = take_record_memory(2 * record);
    give_record_memory(first);
    void* blocker = take_record_memory(record); // what malloc gives out next is another
    void* second = take_record_memory(2 * record);
    EXPECT_EQ(second, first);
    give_record_memory(second);
    give_record_memory(blocker);
}

TEST(record_memory, may_be_given_back_by_another_thread)
{
    void* made = take_record_memory(record);
    ASSERT_NE(made, nullptr);
    std::thread([made] { give_record_memory(made); }).join(); // its store ends with it; the leak checker sees to it
}

} // namespace
} // namespace cofferdam::tls
