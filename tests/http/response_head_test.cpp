#include "core/error.hpp"
#include "http/head.hpp"

#include <gtest/gtest.h>
#include <string>

using namespace cofferdam;
using namespace cofferdam::http;

namespace {

const limits bounds;

struct parsed {
    parsed(std::string text, response_context context = {"GET", false})
        : buffer(std::move(text)), size(parse_response_head(buffer, bounds, context, head))
    {
    }
    std::string buffer;
    response_head head;
    result<std::size_t> size;
};

parsed with(const std::string& fields)
{
    return parsed("HTTP/1.1 200 OK\r\n" + fields + "\r\n");
}

} // namespace

TEST(response_head, reads_a_plain_response)
{
    const parsed p("HTTP/1.1 404 Not \xff Found\r\nContent-Length: 5\r\n\r\nhello");
    ASSERT_TRUE(p.size);
    EXPECT_EQ(*p.size, p.buffer.size() - 5);
    EXPECT_EQ(p.head.status, 404U);
    EXPECT_EQ(p.head.reason, "Not \xff Found");
    EXPECT_EQ(p.head.body, body_kind::length);
    EXPECT_EQ(p.head.content_length, 5U);
    EXPECT_TRUE(p.head.keep_alive);
    EXPECT_TRUE(parsed("HTTP/1.1 200 \r\n\r\n").size);
    EXPECT_TRUE(parsed("HTTP/1.1 200\r\n\r\n").size);
}

TEST(response_head, refuses_malformed_status_lines)
{
    for (const std::string line : {"HTTP/1.1 99 x", "HTTP/1.1 099 x", "HTTP/1.1 600 x", "HTTP/1.1 2000 x", "HTTP/1.1 20",
                                   "HTTP/1.1  200 x", "HTTP/1.1 +20 x", "HTTP/1.1200 x", "http/1.1 200 x", "ICY 200 OK",
                                   " HTTP/1.1 200 x", "HTTP/1.1", "HTTP/1.1 200\tOK", "HTTP/1.1 200 O\x01K", "", "<html>"})
        EXPECT_EQ(parsed(line + "\r\n\r\n").size.error(), errc::malformed) << line;
    EXPECT_EQ(parsed("HTTP/2.0 200 OK\r\n\r\n").size.error(), errc::unsupported);
    EXPECT_EQ(parsed("\r\nHTTP/1.1 200 OK\r\n\r\n").size.error(), errc::malformed);
    EXPECT_EQ(parsed("HTTP/1.1 200 OK\n\n").size.error(), errc::malformed);
}

TEST(response_head, refuses_hostile_fields)
{
    for (const std::string fields :
         {"A: b\n\r\n", "A: b\r\n c\r\n", "A : b\r\n", ": b\r\n", "A: b\rSet-Cookie: x\r\n", "A: b\x1b\r\n", "<x>\r\n",
          "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 1\r\nContent-Length: 1\r\n",
          "Content-Length: 1, 1\r\n", "Content-Length: 01\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked, identity\r\n", "Transfer_Encoding: chunked\r\n", "Connection: Content-Length\r\n"})
        EXPECT_EQ(with(fields).size.error(), errc::malformed) << fields;
    EXPECT_EQ(with("Transfer-Encoding: gzip, chunked\r\n").size.error(), errc::unsupported);
    EXPECT_EQ(parsed("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").size.error(), errc::malformed);
    EXPECT_TRUE(with("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n").size);
}

TEST(response_head, delimits_bodies)
{
    EXPECT_EQ(with("Transfer-Encoding: chunked\r\n").head.body, body_kind::chunked);
    const auto open = with("");
    EXPECT_EQ(open.head.body, body_kind::until_close);
    EXPECT_FALSE(open.head.keep_alive);

    const parsed head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {"HEAD", false});
    EXPECT_EQ(head.head.body, body_kind::none);
    EXPECT_TRUE(head.head.has_content_length);
    EXPECT_EQ(head.head.content_length, 5U);
    EXPECT_TRUE(head.head.keep_alive);
    EXPECT_EQ(parsed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", {"HEAD", false}).head.body, body_kind::none);
    EXPECT_EQ(parsed("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n").head.body, body_kind::none);
    EXPECT_EQ(parsed("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n").head.body, body_kind::none);
    EXPECT_EQ(parsed("HTTP/1.1 204 x\r\n\r\n").head.body, body_kind::none);
}

TEST(response_head, refuses_bodies_where_none_can_be)
{
    EXPECT_EQ(parsed("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n").size.error(), errc::malformed);
    EXPECT_EQ(parsed("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n").size.error(), errc::malformed);
    EXPECT_EQ(parsed("HTTP/1.1 100 x\r\nContent-Length: 5\r\n\r\n").size.error(), errc::malformed);
    EXPECT_EQ(parsed("HTTP/1.1 103 x\r\nTransfer-Encoding: chunked\r\n\r\n").size.error(), errc::malformed);
}

TEST(response_head, marks_interim_responses)
{
    const parsed hints("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n");
    ASSERT_TRUE(hints.size);
    EXPECT_TRUE(hints.head.interim());
    EXPECT_EQ(hints.head.body, body_kind::none);
    EXPECT_FALSE(with("").head.interim());
}

TEST(response_head, switches_protocols_only_to_a_websocket_that_was_asked_for)
{
    const std::string good = "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    const parsed ok(good, {"GET", true});
    ASSERT_TRUE(ok.size);
    EXPECT_TRUE(ok.head.websocket_upgrade);
    EXPECT_FALSE(ok.head.interim());
    EXPECT_EQ(parsed(good).size.error(), errc::unsupported);
    for (const std::string text : {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "HTTP/1.1 101 x\r\n\r\n",
                                   "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n",
                                   "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
                                   "HTTP/1.0 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"})
        EXPECT_EQ(parsed(text, {"GET", true}).size.error(), errc::unsupported) << text;
}

TEST(response_head, opens_no_tunnel)
{
    EXPECT_EQ(parsed("HTTP/1.1 200 Connection established\r\n\r\n", {"CONNECT", false}).size.error(), errc::unsupported);
    EXPECT_TRUE(parsed("HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n", {"CONNECT", false}).size);
}

TEST(response_head, knows_when_the_connection_stays)
{
    EXPECT_FALSE(with("Content-Length: 0\r\nConnection: close\r\n").head.keep_alive);
    EXPECT_FALSE(parsed("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").head.keep_alive);
    EXPECT_TRUE(parsed("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n").head.keep_alive);
}
