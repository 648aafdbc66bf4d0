#include "http/h2_frame_cutter.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace cofferdam::http {
namespace {

const std::string input("PRE"
                        "\0\0\x03\0\x01\x80\0\0\x05"
                        "abc"
                        "\0\0\0\x04\x01\0\0\0\0"
                        "\0\0\x05\x02\0\0\0\0\x07\x80\0\0\x03\x10"
                        "\0\0\x02\x02\0\0\0\0\x07zz",
                        3 + 12 + 9 + 14 + 11);

void expect_frames(const std::vector<h2_frame_head>& heads)
{
    ASSERT_EQ(heads.size(), 4U);
    EXPECT_EQ(heads[0].length, 3U);
    EXPECT_EQ(heads[0].type, 0U);
    EXPECT_EQ(heads[0].flags, 1U);
    EXPECT_EQ(heads[0].stream, 5) << "without the reserved bit";
    EXPECT_EQ(heads[1].type, 4U);
    EXPECT_EQ(heads[1].stream, 0);
    EXPECT_EQ(heads[2].stream, 7);
    EXPECT_EQ(heads[2].dependency, 3) << "without the exclusive bit";
    EXPECT_EQ(heads[3].dependency, std::nullopt) << "not the length of a PRIORITY frame";
}

TEST(h2_frame_cutter, cuts_at_the_ends_of_frames_however_they_come)
{
    for (std::size_t step = 1; step <= input.size(); ++step) {
        h2_frame_cutter cutter(3);
        std::vector<h2_frame_head> heads;
        std::string joined;
        for (std::size_t at = 0; at < input.size(); at += step) {
            auto block = as_bytes(input).subspan(at, std::min(step, input.size() - at));
            while (!block.empty()) {
                const auto piece = cutter.cut(block);
                ASSERT_FALSE(piece.empty());
                joined += as_text(piece);
                if (cutter.head()) heads.push_back(*cutter.head());
            }
        }
        EXPECT_EQ(joined, input);
        expect_frames(heads);
    }
}

TEST(h2_frame_cutter, a_piece_is_a_frame_where_all_of_it_is_there)
{
    h2_frame_cutter cutter(3);
    auto block = as_bytes(input);
    std::vector<std::size_t> sizes;
    while (!block.empty()) sizes.push_back(cutter.cut(block).size());
    EXPECT_EQ(sizes, (std::vector<std::size_t>{3, 12, 9, 14, 11}));
}

} // namespace
} // namespace cofferdam::http
