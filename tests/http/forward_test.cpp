#include "http/body.hpp"
#include "http/forward.hpp"

#include <gtest/gtest.h>
#include <string>

using namespace cofferdam;
using namespace cofferdam::http;

namespace {

const limits bounds;

std::string forwarded(const std::string& text)
{
    request_head head;
    if (!parse_request_head(text, bounds, head)) return "refused";
    forward_request request;
    rebuild(head, request);
    std::string out;
    write_request_head(out, request);
    return out;
}

std::string answered(const std::string& text, unsigned client_minor = 1, bool keep_alive = true,
                     response_context context = {"GET", false})
{
    response_head head;
    if (!parse_response_head(text, bounds, context, head)) return "refused";
    forward_response response;
    rebuild(head, client_minor, keep_alive, response);
    std::string out;
    write_response_head(out, response);
    return out;
}

} // namespace

TEST(forward_request, is_rebuilt)
{
    EXPECT_EQ(forwarded("GET http://a.example/x?y HTTP/1.1\r\naccept: */*\r\nHost:a.example\r\nX-Empty:\r\n\r\n"),
              "GET /x?y HTTP/1.1\r\nHost: a.example\r\naccept: */*\r\nX-Empty: \r\n\r\n");
    EXPECT_EQ(forwarded("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length:  12 \r\nExpect: 100-continue\r\n\r\n"),
              "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(forwarded("POST / HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\nHost: a.example\r\n\r\n"),
              "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(forward_request, drops_what_ends_at_this_hop)
{
    EXPECT_EQ(
        forwarded("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, x-One, Upgrade, HTTP2-Settings\r\nX-ONE: 1\r\n"
                  "Keep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nProxy-Authorization: x\r\n"
                  "Proxy-Connection: keep-alive\r\nX-Two: 2\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: a.example\r\nX-Two: 2\r\n\r\n");
}

TEST(forward_request, carries_the_websocket_handshake)
{
    EXPECT_EQ(forwarded("GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c, websocket\r\n"
                        "Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n"),
              "GET /ws HTTP/1.1\r\nHost: a.example\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n"
              "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(forward_response, is_rebuilt)
{
    EXPECT_EQ(answered("HTTP/1.0 200\r\nContent-Length: 3\r\nKeep-Alive: x\r\nServer: s\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 3\r\n\r\n");
    EXPECT_EQ(answered("HTTP/1.1 200 Fine\r\nConnection: close, X-A\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
              "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0),
              "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0),
              "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(answered("HTTP/1.1 200 OK\r\n\r\n"), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 1, true, {"HEAD", false}),
              "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    EXPECT_EQ(answered("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 204 x\r\n\r\n");
    EXPECT_EQ(answered("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", 1, false),
              "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n");
    EXPECT_EQ(
        answered(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: a\r\n\r\n", 1,
            true, {"GET", true}),
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(forward, writes_chunks_that_read_back)
{
    std::string out;
    write_chunk_header(out, 26);
    EXPECT_EQ(out, "1a\r\n");
    out += std::string(26, 'x');
    out += chunk_end;
    const std::vector<std::pair<std::string, std::string>> trailers = {{"Digest", "z"}};
    write_last_chunk(out, trailers);
    body_decoder decoder(body_kind::chunked, 0, bounds);
    const auto data = decoder.next(out);
    ASSERT_TRUE(data);
    EXPECT_EQ(data->data, std::string(26, 'x'));
    const auto last = decoder.next(std::string_view(out).substr(data->consumed));
    ASSERT_TRUE(last);
    EXPECT_TRUE(last->done);
    EXPECT_EQ(decoder.trailers(), trailers);
}

TEST(forward_death, aborts_rather_than_write_a_line_too_many)
{
    forward_request request;
    request.method = "GET";
    request.target = "/";
    request.host = "a.example";
    std::string out;
    request.fields = {{"A", "b\r\nC: d"}};
    EXPECT_DEATH(write_request_head(out, request), "");
    request.fields = {{"A", "b\nC"}};
    EXPECT_DEATH(write_request_head(out, request), "");
    request.fields.clear();
    request.target = "/ HTTP/1.1";
    EXPECT_DEATH(write_request_head(out, request), "");
    request.target = "/";
    request.host = "a.example\r\nX: y";
    EXPECT_DEATH(write_request_head(out, request), "");
    forward_response response;
    response.reason = "OK\r\nSet-Cookie: x";
    EXPECT_DEATH(write_response_head(out, response), "");
    EXPECT_DEATH(write_chunk_header(out, 0), "");
}

TEST(reason_phrase, knows_the_registered_ones)
{
    EXPECT_EQ(reason_phrase(200), "OK");
    EXPECT_EQ(reason_phrase(421), "Misdirected Request");
    EXPECT_EQ(reason_phrase(511), "Network Authentication Required");
    EXPECT_EQ(reason_phrase(418), "Unknown");
    EXPECT_EQ(reason_phrase(599), "Unknown");
}
