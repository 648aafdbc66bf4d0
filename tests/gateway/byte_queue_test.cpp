#include "gateway/byte_queue.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace cofferdam::gateway {
namespace {

TEST(byte_queue_test, gives_bytes_out_in_order_however_they_are_cut)
{
    byte_queue queue;
    std::string sent, got;
    std::vector<std::uint8_t> into(7777);
    for (int i = 0; i < 200; ++i) {
        const std::string piece(static_cast<std::size_t>(i * 13 % 3001), static_cast<char>('a' + i % 26));
        queue.append(piece);
        sent += piece;
        const auto count = queue.take(std::span(into).first(static_cast<std::size_t>(i * 7 % 2000)));
        got.append(reinterpret_cast<const char*>(into.data()), count);
        ASSERT_EQ(queue.size(), sent.size() - got.size());
    }
    while (const auto count = queue.take(into)) got.append(reinterpret_cast<const char*>(into.data()), count);
    EXPECT_EQ(got, sent);
    EXPECT_TRUE(queue.empty());
}

TEST(byte_queue_test, can_be_thrown_away)
{
    byte_queue queue;
    queue.append("abc");
    queue.clear();
    std::vector<std::uint8_t> into(3);
    EXPECT_EQ(queue.take(into), 0U);
}

} // namespace
} // namespace cofferdam::gateway
