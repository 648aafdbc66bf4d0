#include "core/read_buffer.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>

namespace cofferdam {
namespace {

/// As if a read had given `text`, in as many pieces as there is room for.
void fill(read_buffer& to, std::string_view text)
{
    while (!text.empty()) {
        const auto into = to.room();
        ASSERT_FALSE(into.empty());
        const auto piece = text.substr(0, into.size());
        std::copy(piece.begin(), piece.end(), into.begin());
        to.commit(piece.size());
        text.remove_prefix(piece.size());
    }
}

TEST(read_buffer, gives_what_was_put_in)
{
    read_buffer b;
    EXPECT_TRUE(b.empty());
    fill(b, "one");
    fill(b, "two");
    EXPECT_EQ(b.text(), "onetwo");
    b.consume(3);
    EXPECT_EQ(b.text(), "two");
    b.rest(); // keeps what is there
    EXPECT_EQ(b.text(), "two");
    b.consume(99);
    EXPECT_TRUE(b.empty());
    b.rest();
    EXPECT_EQ(b.text(), "");
    fill(b, "three");
    EXPECT_EQ(b.text(), "three");
}

TEST(read_buffer, grows_for_what_is_not_consumed_and_keeps_its_order)
{
    std::string all;
    for (int i = 0; all.size() < 300'000; ++i) all += std::to_string(i) + ' ';
    read_buffer b;
    fill(b, all);
    EXPECT_EQ(b.text(), all);
}

TEST(read_buffer, does_not_grow_when_it_is_consumed_as_fast)
{
    read_buffer b;
    std::string expected;
    for (int i = 0; i < 2000; ++i) {
        const std::string line(1000, static_cast<char>('a' + i % 26));
        fill(b, line);
        expected += line;
        const auto take = std::min<std::size_t>(990, b.size());
        EXPECT_EQ(b.text().substr(0, take), std::string_view(expected).substr(0, take));
        b.consume(take);
        expected.erase(0, take);
    }
    EXPECT_EQ(b.text(), expected);
    EXPECT_LE(b.room().size() + b.size(), 2 * read_buffer::block_size);
}

TEST(read_buffer, a_block_given_back_is_used_again)
{
    const std::uint8_t* first = nullptr;
    {
        read_buffer b;
        first = b.room().data();
        b.rest();
        EXPECT_EQ(b.room().data(), first);
    }
    read_buffer other;
    EXPECT_EQ(other.room().data(), first);
}

} // namespace
} // namespace cofferdam
