#include "gateway/sniff.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;
using gateway::classifier;
using gateway::first_bytes;

namespace {

result<first_bytes> classify(std::string_view bytes)
{
    return classifier().look(bytes);
}

first_bytes kind_of(std::string_view bytes)
{
    const auto kind = classify(bytes);
    EXPECT_TRUE(kind) << bytes;
    return kind ? *kind : first_bytes::closed;
}

} // namespace

TEST(classify, knows_the_protocols)
{
    EXPECT_EQ(kind_of(std::string_view("\x16\x03\x01\x02", 4)), first_bytes::tls);
    EXPECT_EQ(kind_of("GET / HTTP/1.1\r\n"), first_bytes::http);
    EXPECT_EQ(kind_of("\r\nGET / HTTP/1.1\r\n"), first_bytes::http);
    EXPECT_EQ(kind_of("PRI * HTTP/2.0\r\n\r\nSM"), first_bytes::http2);
    EXPECT_EQ(kind_of("SSH-2.0-OpenSSH_9.2p1 Debian\r\n"), first_bytes::opaque);
    EXPECT_EQ(kind_of("EHLO client.example\r\n"), first_bytes::opaque);
    EXPECT_EQ(kind_of(std::string_view("\x00\x00\x00\x08\x04\xd2\x16\x2f", 8)), first_bytes::opaque); // PostgreSQL SSLRequest
    EXPECT_EQ(kind_of("\x16\x02"), first_bytes::opaque);
}

TEST(classify, odd_request_lines_go_to_the_strict_parser)
{
    for (const char* line : {"\r\n\r\nPOST / HTTP/1.1\r\n", "\nPOST / HTTP/1.1\r\n", "GE(T / HTTP/1.1\r\n", "get / HTTP/1.1\n",
                             " GET / HTTP/1.1\r\n", "GET\t/ HTTP/1.1 HTTP/1.1\r\n"})
        EXPECT_EQ(kind_of(line), first_bytes::http) << line;
}

TEST(classify, every_prefix_of_a_request_line_needs_more)
{
    const std::string line = "OPTIONS * HTTP/1.1\r\n";
    for (std::size_t n = 0; n < line.size(); ++n)
        EXPECT_EQ(classify(std::string_view(line).substr(0, n)).error(), errc::need_more) << n;
    EXPECT_EQ(classify("\x16").error(), errc::need_more);
    EXPECT_EQ(classify("\r").error(), errc::need_more);
}

TEST(classify, an_endless_line_is_judged_as_http)
{
    EXPECT_EQ(kind_of("GET /" + std::string(20000, 'a')), first_bytes::http);
}

TEST(classify, how_the_bytes_arrive_changes_nothing)
{
    for (const std::string whole :
         {"\r\n\nGET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM", "SSH-2.0-x\r\n", "\x16\x03\x01", "GET /\x01", "\r\r\x02"}) {
        const auto expected = classify(whole);
        for (const std::size_t step : {1U, 2U, 5U}) {
            classifier pieces;
            result<first_bytes> got = errc::need_more;
            for (std::size_t n = step; !got && n < whole.size() + step; n += step)
                got = pieces.look(std::string_view(whole).substr(0, n));
            EXPECT_TRUE(got == expected) << whole << " by " << step;
        }
    }
}

// A client that sends byte by byte must not cost the square of what it sends.
TEST(classify, a_byte_that_was_seen_is_not_looked_at_again)
{
    std::string line = "GET /";
    classifier pieces;
    for (std::size_t n = line.size(); n < 16000; ++n) {
        ASSERT_EQ(pieces.look(line).error(), errc::need_more) << n;
        line.back() = '\0'; // would be opaque if it were read a second time
        line += 'a';
    }
}
