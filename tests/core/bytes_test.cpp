#include "core/bytes.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;

TEST(byte_reader, reads_network_order)
{
    byte_reader r(as_bytes(std::string_view("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a", 10)));
    EXPECT_EQ(r.u8().value(), 0x01);
    EXPECT_EQ(r.u16().value(), 0x0203);
    EXPECT_EQ(r.u24().value(), 0x040506U);
    EXPECT_EQ(r.u32().value(), 0x0708090AU);
    EXPECT_TRUE(r.empty());
}

TEST(byte_reader, past_the_end_needs_more_and_moves_nothing)
{
    byte_reader r(as_bytes("ab"));
    EXPECT_EQ(r.u24().error(), errc::need_more);
    EXPECT_EQ(r.take(3).error(), errc::need_more);
    EXPECT_EQ(r.remaining(), 2U);
    EXPECT_EQ(as_text(r.take(2).value()), "ab");
}
