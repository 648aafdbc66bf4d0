#include "http/h2_head.hpp"

#include <gtest/gtest.h>

namespace cofferdam::http {
namespace {

field_list request(std::string path, const field_list& more = {}, std::string method = "GET")
{
    field_list out{{":method", std::move(method)}, {":scheme", "https"}, {":authority", "a.example"}, {":path", std::move(path)}};
    out.insert(out.end(), more.begin(), more.end());
    return out;
}

class h2_head_test : public testing::Test {
protected:
    const fault* read(const field_list& fields, bool ends = true) { return read_h2_request(fields, ends, bounds, bytes, head); }
    limits bounds;
    std::string bytes;
    request_head head;
};

TEST_F(h2_head_test, a_request_is_the_head_that_http1_would_have)
{
    ASSERT_EQ(read(request("/p?q=1", {{"accept", "*/*"}, {"cookie", "a=1"}, {"x-b", "2"}, {"cookie", "b=2"}})), nullptr);
    EXPECT_EQ(head.method, "GET");
    EXPECT_EQ(head.origin_target, "/p?q=1");
    EXPECT_EQ(head.host, "a.example");
    EXPECT_EQ(head.scheme, "https");
    EXPECT_EQ(head.body, body_kind::none);
    const std::vector<field> fields{{"host", "a.example"}, {"accept", "*/*"}, {"x-b", "2"}, {"cookie", "a=1; b=2"}};
    EXPECT_EQ(head.fields, fields);
}

TEST_F(h2_head_test, a_body_has_a_length_or_none_is_known)
{
    ASSERT_EQ(read(request("/", {}, "POST"), false), nullptr);
    EXPECT_EQ(head.body, body_kind::chunked);
    EXPECT_EQ(find_field(head.fields, "transfer-encoding"), nullptr) << "nobody sent it";
    ASSERT_EQ(read(request("/", {{"content-length", "12"}}, "POST"), false), nullptr);
    EXPECT_EQ(head.body, body_kind::length);
    EXPECT_EQ(head.content_length, 12U);
}

TEST_F(h2_head_test, host_stands_in_for_authority_and_must_agree)
{
    field_list fields = request("/", {{"host", "a.example"}});
    EXPECT_EQ(read(fields), nullptr);
    fields.back().second = "b.example";
    EXPECT_EQ(read(fields), &faults::host_differs);
    fields.erase(fields.begin() + 2);
    ASSERT_EQ(read(fields), nullptr);
    EXPECT_EQ(head.host, "b.example");
    fields.emplace_back("host", "b.example");
    EXPECT_EQ(read(fields), &faults::host_repeated);
    EXPECT_EQ(read({{":method", "GET"}, {":scheme", "https"}, {":path", "/"}}), &faults::host_missing);
}

TEST_F(h2_head_test, what_http2_forbids_is_refused)
{
    const std::vector<std::pair<field_list, const fault*>> cases{
        {request("/", {{"X-Upper", "1"}}), &faults::field_name},
        {request("/", {{"", "1"}}), &faults::field_name},
        {request("/", {{"a b", "1"}}), &faults::field_name},
        {request("/", {{"a", "1\r\nb: 2"}}), &faults::field_value},
        {request("/", {{"a", std::string("1\0", 2)}}), &faults::field_value},
        {request("/", {{"a", " 1"}}), &faults::field_value},
        {request("/", {{"a", "1\t"}}), &faults::field_value},
        {request("/", {{"connection", "close"}}), &faults::connection_field},
        {request("/", {{"keep-alive", "1"}}), &faults::connection_field},
        {request("/", {{"proxy-connection", "close"}}), &faults::connection_field},
        {request("/", {{"transfer-encoding", "chunked"}}), &faults::connection_field},
        {request("/", {{"upgrade", "h2c"}}), &faults::connection_field},
        {request("/", {{"http2-settings", "AAA"}}), &faults::connection_field},
        {request("/", {{"te", "gzip"}}), &faults::connection_field},
        {request("/", {{":path", "/b"}}), &faults::pseudo_field},
        {request("/", {{":x", "1"}}), &faults::pseudo_field},
        {request("/", {{"a", "1"}, {":x", "1"}}), &faults::pseudo_field},
        {request("/", {{":status", "200"}}), &faults::pseudo_field},
        {request("/", {{":protocol", "websocket"}}), &faults::pseudo_field},
        {request("/", {}, "G T"), &faults::pseudo_field},
        {request("/", {}, ""), &faults::pseudo_field},
        {request(""), &faults::target},
        {request("p"), &faults::target},
        {request("http://b.example/"), &faults::target},
        {request("/a b"), &faults::target},
        {request("/a#b"), &faults::target},
        {request("/a\r\nb: c"), &faults::target},
        {request("*"), &faults::target},
        {request("/", {{"content-length", "1"}, {"content-length", "1"}}), &faults::length_repeated},
        {request("/", {{"content-length", "0x1"}}), &faults::length_syntax},
        {request("/", {{"content_length", "1"}}), &faults::framing_lookalike},
        {request("/", {{"expect", "200-ok"}}), &faults::expectation},
    };
    for (const auto& [fields, why] : cases) {
        const auto* got = read(fields);
        EXPECT_EQ(got, why) << fields.back().first << ": " << fields.back().second << " gave " << (got ? got->what : "nothing");
    }
}

TEST_F(h2_head_test, the_limits_of_http1_hold)
{
    EXPECT_EQ(read(request("/" + std::string(20000, 'a'))), &faults::start_line_size);
    EXPECT_EQ(read(request("/", field_list(300, {"a", "b"}))), &faults::field_count);
    EXPECT_EQ(read(request("/", {{"a", std::string(70000, 'b')}})), &faults::head_size);
}

TEST_F(h2_head_test, a_malformed_request_can_still_be_told)
{
    ASSERT_NE(read(request("/told", {{"connection", "close"}}, "POST")), nullptr);
    EXPECT_EQ(head.method, "POST");
    EXPECT_EQ(head.origin_target, "/told") << "what came first is known";
}

TEST_F(h2_head_test, extended_connect_is_the_get_it_stands_for)
{
    auto fields = request("/chat", {{"sec-websocket-version", "13"}, {"sec-websocket-protocol", "x"}}, "CONNECT");
    fields.insert(fields.begin(), {":protocol", "websocket"});
    ASSERT_EQ(read(fields, false), nullptr);
    EXPECT_EQ(head.method, "GET");
    EXPECT_TRUE(head.websocket_upgrade);
    EXPECT_EQ(head.origin_target, "/chat");
    EXPECT_EQ(find_field(head.fields, "sec-websocket-key"), nullptr);
    EXPECT_EQ(find_field(head.fields, "upgrade"), nullptr);

    forward_request out;
    rebuild(head, out);
    out.target = "/chat";
    out.host = "a.example";
    const field_list wanted{{":method", "CONNECT"},         {":protocol", "websocket"}, {":scheme", "https"},
                            {":authority", "a.example"},    {":path", "/chat"},         {"sec-websocket-version", "13"},
                            {"sec-websocket-protocol", "x"}};
    EXPECT_EQ(write_h2_request(out, "https", false), wanted);

    EXPECT_EQ(read(fields, true), &faults::websocket_handshake) << "a WebSocket without a way back";
    fields.erase(fields.end() - 2);
    EXPECT_EQ(read(fields, false), &faults::websocket_handshake) << "no version";
}

TEST_F(h2_head_test, other_tunnels_are_seen_as_such)
{
    ASSERT_EQ(read({{":method", "CONNECT"}, {":authority", "b.example:443"}}, false), nullptr);
    EXPECT_EQ(head.form, target_form::authority);
    auto fields = request("/", {}, "CONNECT");
    EXPECT_EQ(read(fields, false), &faults::pseudo_field);
    fields.insert(fields.begin(), {":protocol", "connect-udp"});
    ASSERT_EQ(read(fields, false), nullptr);
    EXPECT_EQ(head.form, target_form::authority);
}

TEST_F(h2_head_test, what_is_written_is_what_was_judged)
{
    ASSERT_EQ(
        read(request("/a", {{"te", "trailers"}, {"content-length", "3"}, {"x", "y"}, {"expect", "100-continue"}}, "PUT"), false),
        nullptr);
    forward_request out;
    rebuild(head, out);
    out.host = "a.example:8443";
    const field_list wanted{{":method", "PUT"}, {":scheme", "https"},    {":authority", "a.example:8443"}, {":path", "/a"},
                            {"x", "y"},         {"content-length", "3"}, {"expect", "100-continue"},       {"te", "trailers"}};
    EXPECT_EQ(write_h2_request(out, "https", true), wanted);
}

TEST_F(h2_head_test, answers)
{
    response_head answer;
    ASSERT_EQ(read_h2_response({{":status", "200"}, {"content-length", "3"}, {"x", "y"}}, false, "GET", bounds, bytes, answer),
              nullptr);
    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(answer.content_length, 3U);
    forward_response out;
    rebuild(answer, 1, true, out);
    EXPECT_EQ(write_h2_response(out), (field_list{{":status", "200"}, {"x", "y"}, {"content-length", "3"}}));

    const std::vector<field_list> bad{{{":status", "101"}},
                                      {{":status", "20"}},
                                      {{":status", "0200"}},
                                      {{":status", "999"}},
                                      {{":status", "200 OK"}},
                                      {{":status", "200\r\nx: y"}},
                                      {{"x", "y"}},
                                      {{":status", "200"}, {":path", "/"}},
                                      {{":status", "200"}, {"connection", "close"}},
                                      {{":status", "200"}, {"transfer-encoding", "chunked"}},
                                      {{":status", "200"}, {"x", "a\nb"}},
                                      {{":status", "204"}, {"content-length", "3"}}};
    for (const auto& fields : bad)
        EXPECT_NE(read_h2_response(fields, false, "GET", bounds, bytes, answer), nullptr) << fields[0].second;
    EXPECT_NE(read_h2_response({{":status", "103"}}, true, "GET", bounds, bytes, answer), nullptr) << "interim and the end";
}

TEST_F(h2_head_test, trailers)
{
    field_list out;
    EXPECT_EQ(read_h2_trailers({{"grpc-status", "0"}, {"etag", "x"}}, bounds, out), nullptr);
    EXPECT_EQ(out, (field_list{{"grpc-status", "0"}})) << "what may not be a trailer is left out";
    EXPECT_EQ(read_h2_trailers({{"content-length", "1"}}, bounds, out), &faults::trailer_field);
    EXPECT_EQ(read_h2_trailers({{":status", "200"}}, bounds, out), &faults::pseudo_field);
    EXPECT_EQ(read_h2_trailers({{"a", "b\n"}}, bounds, out), &faults::field_value);
    EXPECT_EQ(read_h2_trailers({{"a", std::string(20000, 'b')}}, bounds, out), &faults::trailer_size);
}

} // namespace
} // namespace cofferdam::http
