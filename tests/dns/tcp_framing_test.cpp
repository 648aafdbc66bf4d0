#include "dns/tcp_framing.hpp"
#include "packets.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;

TEST(tcp_framing, gives_the_same_messages_however_the_stream_is_split)
{
    const auto one = make_query("one.example"), two = make_query("two.example", rr::txt, false);
    const auto stream = frame(one) + frame(two) + frame(one);
    for (std::size_t step = 1; step <= stream.size(); ++step) {
        tcp_framing in;
        std::vector<packet> got;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            in.push(byte_view(stream).subspan(at, std::min(step, stream.size() - at)));
            for (auto m = in.next(); m || m.error() != errc::need_more; m = in.next()) {
                ASSERT_TRUE(m);
                got.emplace_back(m->begin(), m->end());
            }
        }
        EXPECT_EQ(got, (std::vector<packet>{one, two, one})) << step;
        EXPECT_FALSE(in.partial());
    }
}

TEST(tcp_framing, lengths_that_hold_no_header_end_the_stream)
{
    for (const std::uint8_t length : packet{0, 1, 11}) {
        tcp_framing in;
        in.push(packet{0, length});
        EXPECT_EQ(in.next().error(), errc::malformed);
        in.push(frame(make_query("a.example")));
        EXPECT_EQ(in.next().error(), errc::malformed); // and stay so
    }
}

TEST(tcp_framing, an_announced_length_over_the_limit_ends_it_before_the_octets_come)
{
    tcp_framing in;
    in.push(packet{0xFF, 0xFF});
    EXPECT_EQ(in.next().error(), errc::too_large);
}
