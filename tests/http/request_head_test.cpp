#include "core/error.hpp"
#include "http/head.hpp"

#include <gtest/gtest.h>
#include <string>

using namespace cofferdam;
using namespace cofferdam::http;

namespace {

const limits bounds;

/// Outlives the views of `head`.
struct parsed {
    explicit parsed(std::string text) : buffer(std::move(text)), size(parse_request_head(buffer, bounds, head)) {}
    std::string buffer;
    request_head head;
    result<std::size_t> size;
};

/// A GET with these field lines (without final empty line).
parsed with(const std::string& fields)
{
    return parsed("GET / HTTP/1.1\r\n" + fields + "\r\n");
}
parsed with_host(const std::string& fields)
{
    return with("Host: a.example\r\n" + fields);
}

struct refused {
    std::string text;
    errc code;
};

void expect_refused(const std::vector<refused>& table)
{
    for (const auto& [text, code] : table) {
        const parsed p(text);
        ASSERT_FALSE(p.size) << text;
        EXPECT_EQ(p.size.error(), code) << text << "\n" << (p.head.why != nullptr ? p.head.why->what : "no fault");
        EXPECT_TRUE(code == errc::need_more || p.head.why != nullptr) << text;
    }
}

void expect_fields_refused(const std::vector<refused>& table)
{
    for (const auto& [fields, code] : table) {
        const auto p = with_host(fields);
        ASSERT_FALSE(p.size) << fields;
        EXPECT_EQ(p.size.error(), code) << fields << "\n" << p.head.why->what;
    }
}

} // namespace

TEST(request_head, reads_a_plain_request)
{
    const parsed p(
        "GET /p?q=1 HTTP/1.1\r\nHost: a.example:8080\r\nAccept:\t */* \t\r\nX-Empty:\r\nX-Opaque: \xff\x80\r\n\r\nREST");
    ASSERT_TRUE(p.size);
    EXPECT_EQ(*p.size, p.buffer.size() - 4);
    EXPECT_EQ(p.head.method, "GET");
    EXPECT_EQ(p.head.target, "/p?q=1");
    EXPECT_EQ(p.head.origin_target, "/p?q=1");
    EXPECT_EQ(p.head.form, target_form::origin);
    EXPECT_EQ(p.head.host, "a.example:8080");
    EXPECT_EQ(p.head.where.host, "a.example");
    EXPECT_EQ(p.head.where.port, 8080);
    ASSERT_EQ(p.head.fields.size(), 4U);
    EXPECT_EQ(p.head.fields[1], (field{"Accept", "*/*"}));
    EXPECT_EQ(p.head.fields[2], (field{"X-Empty", ""}));
    EXPECT_EQ(p.head.fields[3].value, "\xff\x80");
    EXPECT_EQ(p.head.body, body_kind::none);
    EXPECT_TRUE(p.head.keep_alive);
}

TEST(request_head, allows_one_empty_line_before_it)
{
    const parsed p("\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    ASSERT_TRUE(p.size);
    EXPECT_EQ(*p.size, p.buffer.size());
    expect_refused({{"\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n", errc::malformed},
                    {"\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n", errc::malformed},
                    {"\rGET / HTTP/1.1\r\nHost: a.example\r\n\r\n", errc::malformed}});
}

TEST(request_head, asks_for_more)
{
    expect_refused({{"", errc::need_more},
                    {"\r\n", errc::need_more},
                    {"GET", errc::need_more},
                    {"GET / HTTP/1.1\r\n", errc::need_more},
                    {"GET / HTTP/1.1\r\nHost: a.example\r\n", errc::need_more},
                    {"GET / HTTP/1.1\r\nHost: a.example\r\n\r", errc::need_more}});
}

TEST(request_head, refuses_malformed_request_lines)
{
    const std::string rest = "\r\nHost: a.example\r\n\r\n";
    expect_refused({
        {"GET /" + rest, errc::malformed}, // HTTP/0.9
        {"GET  / HTTP/1.1" + rest, errc::malformed},
        {"GET /  HTTP/1.1" + rest, errc::malformed},
        {" GET / HTTP/1.1" + rest, errc::malformed},
        {"GET / HTTP/1.1 " + rest, errc::malformed},
        {"GET\t/ HTTP/1.1" + rest, errc::malformed},
        {"GET / a HTTP/1.1" + rest, errc::malformed},
        {"GET / http/1.1" + rest, errc::malformed},
        {"GET / HTTP/11" + rest, errc::malformed},
        {"GET / HTTP/1.10" + rest, errc::malformed},
        {"GET / HTTP/01.1" + rest, errc::malformed},
        {"GET / HTTP/1." + rest, errc::malformed},
        {"G@T / HTTP/1.1" + rest, errc::malformed},
        {"GET: / HTTP/1.1" + rest, errc::malformed},
        {"GET /\x01 HTTP/1.1" + rest, errc::malformed},
        {"GET /\xc3\xa4 HTTP/1.1" + rest, errc::malformed},
        {"GET /\x7f HTTP/1.1" + rest, errc::malformed},
        {std::string("GET /\0 HTTP/1.1", 16) + rest, errc::malformed},
        {"GET / HTTP/1.1\nHost: a.example\r\n\r\n", errc::malformed},
        {"GET / HTTP/1.1\rHost: a.example\r\n\r\n", errc::malformed},
        {std::string(33, 'A') + " / HTTP/1.1" + rest, errc::too_large},
        {"GET /" + std::string(16384, 'a') + " HTTP/1.1" + rest, errc::too_large},
        {"GET /" + std::string(20000, 'a'), errc::too_large},
        {"\x16\x03\x01", errc::malformed}, // TLS where HTTP was expected
    });
}

TEST(request_head, refuses_other_versions)
{
    expect_refused({{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errc::unsupported},
                    {"GET / HTTP/2.0\r\nHost: a.example\r\n\r\n", errc::unsupported},
                    {"GET / HTTP/1.2\r\nHost: a.example\r\n\r\n", errc::unsupported},
                    {"GET / HTTP/0.9\r\n\r\n", errc::unsupported}});
    EXPECT_EQ(parsed("PRI * HTTP/2.0\r\n\r\n").head.why->status, 505);
}

TEST(request_head, refuses_without_waiting_for_the_end_of_the_head)
{
    expect_refused({{"PRI * HTTP/2.0\r\n", errc::unsupported},
                    {"GET /\r\n", errc::malformed},
                    {"GET / HTTP/1.1\r\nHost: a.example\n", errc::malformed}});
}

TEST(request_head, marks_target_forms)
{
    const parsed absolute("GET HTTP://A.example:80/x?y HTTP/1.1\r\nHost: a.Example:80\r\n\r\n");
    ASSERT_TRUE(absolute.size);
    EXPECT_EQ(absolute.head.form, target_form::absolute);
    EXPECT_EQ(absolute.head.scheme, "HTTP");
    EXPECT_EQ(absolute.head.host, "A.example:80");
    EXPECT_EQ(absolute.head.origin_target, "/x?y");

    EXPECT_EQ(parsed("GET http://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n").head.origin_target, "/");
    EXPECT_EQ(parsed("OPTIONS http://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n").head.origin_target, "*");

    const parsed asterisk("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n");
    ASSERT_TRUE(asterisk.size);
    EXPECT_EQ(asterisk.head.form, target_form::asterisk);

    const parsed tunnel("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
    ASSERT_TRUE(tunnel.size);
    EXPECT_EQ(tunnel.head.form, target_form::authority);
    EXPECT_EQ(tunnel.head.where.port, 443);
}

TEST(request_head, refuses_ambiguous_targets)
{
    const std::string rest = " HTTP/1.1\r\nHost: a.example\r\n\r\n";
    expect_refused({
        {"GET rootless" + rest, errc::malformed},
        {"GET a.example/x" + rest, errc::malformed},
        {"GET a.example:443" + rest, errc::malformed},
        {"GET *" + rest, errc::malformed},
        {"GET ?q" + rest, errc::malformed},
        {"GET /#f" + rest, errc::malformed},
        {"GET http:/a.example/" + rest, errc::malformed},
        {"GET http:///x" + rest, errc::malformed},
        {"GET ://a.example/" + rest, errc::malformed},
        {"GET http://u@a.example/" + rest, errc::malformed},
        {"GET http://a.example\\/" + rest, errc::malformed},
        {"GET ftp://a.example/" + rest, errc::unsupported},
        {"GET http://a.example?q" + rest, errc::ambiguous},
        {"GET http://b.example/" + rest, errc::ambiguous},
        {"GET http://a.example:80/" + rest, errc::ambiguous},
        {"CONNECT a.example" + rest, errc::malformed},
        {"CONNECT /" + rest, errc::malformed},
        {"CONNECT http://a.example/" + rest, errc::malformed},
        {"CONNECT a.example:443" + rest, errc::ambiguous},
    });
}

TEST(request_head, needs_exactly_one_plain_host)
{
    const auto refuse = [](const std::string& fields, errc code) {
        const auto p = with(fields);
        ASSERT_FALSE(p.size) << fields;
        EXPECT_EQ(p.size.error(), code) << fields;
    };
    refuse("", errc::malformed);
    refuse("Host:\r\n", errc::malformed);
    refuse("Host: a.example\r\nHost: a.example\r\n", errc::ambiguous);
    refuse("Host: a.example\r\nhOST: b.example\r\n", errc::ambiguous);
    refuse("Host: a.example, b.example\r\n", errc::malformed);
    refuse("Host: u@a.example\r\n", errc::malformed);
    refuse("Host: a.example b.example\r\n", errc::malformed);
    refuse("Host: a.example:80:80\r\n", errc::malformed);
    refuse("Host: http://a.example\r\n", errc::malformed);
    refuse("Host: a.example/x\r\n", errc::malformed);
    refuse("Host: \xff.example\r\n", errc::malformed);

    const parsed old("GET / HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(old.size);
    EXPECT_EQ(old.head.host, "");
    EXPECT_FALSE(parsed("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").size);
}

TEST(request_head, refuses_malformed_field_lines)
{
    expect_fields_refused({
        {"A: b\r\n folded\r\n", errc::malformed},
        {"A: b\r\n\tfolded: x\r\n", errc::malformed},
        {"A : b\r\n", errc::malformed},
        {"A\t: b\r\n", errc::malformed},
        {": b\r\n", errc::malformed},
        {"A b: c\r\n", errc::malformed},
        {"A\r\n", errc::malformed},
        {"A(b): c\r\n", errc::malformed},
        {"\xc3\xa4: c\r\n", errc::malformed},
        {std::string("A\0: c\r\n", 7), errc::malformed},
        {std::string("A: c\0d\r\n", 8), errc::malformed},
        {"A: c\x7f\r\n", errc::malformed},
        {"A: c\x1b[0m and more text\r\n", errc::malformed},
        {"A: c\rd\r\n", errc::malformed},
        {"A: c\r\r\n", errc::malformed},
        {"A: c\nB: d\r\n", errc::malformed},
        {"A: c\n\r\n", errc::malformed},
    });
    // White space between the request line and the first field.
    EXPECT_EQ(with(" Host: a.example\r\n").size.error(), errc::malformed);
}

TEST(request_head, bounds_fields_and_size)
{
    std::string fields;
    for (std::size_t i = 0; i < bounds.max_header_fields - 1; ++i) fields += "A: b\r\n";
    EXPECT_TRUE(with_host(fields).size);
    EXPECT_EQ(with_host(fields + "A: b\r\n").size.error(), errc::too_large);

    const auto p = with_host("A: " + std::string(bounds.max_head, 'x') + "\r\n");
    EXPECT_EQ(p.size.error(), errc::too_large);
    EXPECT_EQ(p.head.why->status, 431);
    EXPECT_EQ(p.head.method, "GET"); // enough for the record

    const std::string start = "GET / HTTP/1.1\r\nHost: a.example\r\nA: ";
    const std::string exact = start + std::string(bounds.max_head - start.size() - 4, 'x') + "\r\n\r\n";
    EXPECT_TRUE(parsed(exact).size);
    EXPECT_EQ(parsed(start + "x" + exact.substr(start.size())).size.error(), errc::too_large);
}

TEST(request_head, frames_bodies)
{
    EXPECT_EQ(with_host("Content-Length: 0\r\n").head.body, body_kind::length);
    const auto sized = with_host("content-length:9223372036854775807\r\n");
    ASSERT_TRUE(sized.size);
    EXPECT_EQ(sized.head.content_length, 9223372036854775807ULL);
    EXPECT_EQ(with_host("Transfer-Encoding: ChunKed\r\n").head.body, body_kind::chunked);
    EXPECT_EQ(parsed("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc").head.body, body_kind::length);
}

TEST(request_head, refuses_smuggling_shapes)
{
    expect_fields_refused({
        {"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", errc::ambiguous}, // CL.TE
        {"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", errc::ambiguous}, // TE.CL
        {"Content-Length: 1\r\nContent-Length: 1\r\n", errc::ambiguous},
        {"Content-Length: 1\r\nContent-Length: 2\r\n", errc::ambiguous},
        {"Content-Length: 1, 1\r\n", errc::malformed},
        {"Content-Length:\r\n", errc::malformed},
        {"Content-Length: +1\r\n", errc::malformed},
        {"Content-Length: -1\r\n", errc::malformed},
        {"Content-Length: 1 1\r\n", errc::malformed},
        {"Content-Length: 0x1\r\n", errc::malformed},
        {"Content-Length: 1e3\r\n", errc::malformed},
        {"Content-Length: 010\r\n", errc::malformed},
        {"Content-Length: 1;\r\n", errc::malformed},
        {"Content-Length: \"1\"\r\n", errc::malformed},
        {"Content-Length: 9223372036854775808\r\n", errc::too_large},
        {"Content-Length: 18446744073709551617\r\n", errc::too_large},
        {"Content-Length: 99999999999999999999999999\r\n", errc::too_large},
        {"Content_Length: 1\r\n", errc::ambiguous},
        {"Transfer_Encoding: chunked\r\n", errc::ambiguous},
        {"Transfer-Encoding:\r\n", errc::malformed},
        {"Transfer-Encoding: xchunked\r\n", errc::malformed},
        {"Transfer-Encoding: \"chunked\"\r\n", errc::malformed},
        {"Transfer-Encoding: chunked, chunked\r\n", errc::malformed},
        {"Transfer-Encoding: chunked, identity\r\n", errc::malformed},
        {"Transfer-Encoding: chunked;q=1\r\n", errc::malformed},
        {"Transfer-Encoding: identity\r\n", errc::malformed},
        {"Transfer-Encoding: \x0b"
         "chunked\r\n",
         errc::malformed},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", errc::malformed},
        {"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", errc::malformed},
        {"Transfer-Encoding: gzip, chunked\r\n", errc::unsupported},
        {"Transfer-Encoding : chunked\r\n", errc::malformed},
        {"Transfer-Encoding\r\n : chunked\r\n", errc::malformed},
        {"X: y\r\n Transfer-Encoding: chunked\r\n", errc::malformed},
    });
    expect_refused({{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", errc::malformed},
                    {"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", errc::malformed},
                    {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n", errc::malformed}});
}

TEST(request_head, knows_when_the_connection_stays)
{
    EXPECT_TRUE(with_host("").head.keep_alive);
    EXPECT_FALSE(with_host("Connection: close\r\n").head.keep_alive);
    EXPECT_FALSE(with_host("Connection: keep-alive, CLOSE\r\n").head.keep_alive);
    EXPECT_FALSE(with_host("Connection: foo,,\r\nConnection: close\r\n").head.keep_alive);
    EXPECT_FALSE(parsed("GET / HTTP/1.0\r\n\r\n").head.keep_alive);
    EXPECT_TRUE(parsed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").head.keep_alive);
}

TEST(request_head, refuses_to_hide_judged_fields)
{
    for (const std::string name :
         {"Host", "content-length", "Transfer-Encoding", "Authorization", "Cookie", "Content-Type", "Expect"})
        EXPECT_EQ(with_host("Connection: keep-alive, " + name + "\r\n").size.error(), errc::ambiguous) << name;
    EXPECT_EQ(with_host("Connection: a b\r\n").size.error(), errc::malformed);
    EXPECT_EQ(with_host("Connection: \"close\"\r\n").size.error(), errc::malformed);
    std::string many = "Connection: a";
    for (std::size_t i = 0; i < max_connection_options; ++i) many += ",a";
    EXPECT_EQ(with_host(many + "\r\n").size.error(), errc::too_large);
}

TEST(request_head, recognises_a_websocket_handshake_and_no_other_upgrade)
{
    const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    EXPECT_TRUE(with_host("Connection: Upgrade\r\nUpgrade: WebSocket\r\n" + key).head.websocket_upgrade);
    EXPECT_TRUE(with_host("Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n" + key).head.websocket_upgrade);
    EXPECT_FALSE(with_host("Upgrade: websocket\r\n" + key).head.websocket_upgrade);
    EXPECT_FALSE(with_host("Connection: Upgrade\r\nUpgrade: websocket\r\n").head.websocket_upgrade);
    EXPECT_FALSE(with_host("Connection: Upgrade\r\nUpgrade: websocket\r\n" + key + key).head.websocket_upgrade);
    EXPECT_FALSE(with_host("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n" + key).head.websocket_upgrade);
    const auto h2c = with_host("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n");
    ASSERT_TRUE(h2c.size);
    EXPECT_FALSE(h2c.head.websocket_upgrade);
    EXPECT_EQ(h2c.head.upgrade, std::vector<std::string_view>{"h2c"});
    EXPECT_FALSE(with_host("Upgrade: h2 c\r\n").size);
}

TEST(request_head, recognises_expectations)
{
    EXPECT_TRUE(with_host("Content-Length: 1\r\nExpect: 100-Continue\r\n").head.expect_continue);
    EXPECT_FALSE(with_host("Expect: 100-continue\r\n").head.expect_continue); // nothing to continue with
    for (const std::string value : {"", "200-ok", "100-continue, x", "100-continue;x"}) {
        const auto p = with_host("Content-Length: 1\r\nExpect: " + value + "\r\n");
        EXPECT_EQ(p.size.error(), errc::unsupported);
        EXPECT_EQ(p.head.why->status, 417);
    }
}

TEST(request_head, reads_pipelined_requests_one_by_one)
{
    const std::string one = "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n";
    const std::string two = "GET /2 HTTP/1.1\r\nHost: b.example\r\n\r\n";
    const parsed first(one + two);
    ASSERT_EQ(*first.size, one.size());
    const parsed second(first.buffer.substr(*first.size));
    EXPECT_EQ(second.head.host, "b.example");
}
