#include "gateway/sniff.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;
using gateway::classify;
using gateway::first_bytes;

namespace {

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
