#include "core/error.hpp"
#include "http/body.hpp"

#include <gtest/gtest.h>
#include <string>

using namespace cofferdam;
using namespace cofferdam::http;

namespace {

const limits bounds;

const char* const requests[] = {
    "GET /a?b HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nConnection: close\r\n\r\n",
    "\r\nPOST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\r\nA: b\r\n c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example\nA: b\r\n\r\n",
    "GET / HTTP/1.1\rHost: a.example\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET / HTTP/3.0\r\nA: b\n\r\n", // the start line's fault wins over the later one
};

const char* const bodies[] = {
    "5\r\nhello\r\n3;a=\"b\\\"\"\r\nabc\r\n0\r\n\r\nrest",
    "5\r\nhello\r\n0\r\nDigest: x\r\nGrpc-Status: 0\r\n\r\nrest",
    "5\r\nhello\r\n0\r\nDigest: x\n\r\n",
    "5\r\nhello!\r\n",
    "5;a b\r\nhello\r\n",
    "1\r\nx\r\n0\r\nHost: a\r\n\r\n",
};

struct outcome {
    error_code error;
    std::size_t size = 0;
    const fault* why = nullptr;
    friend bool operator==(const outcome&, const outcome&) = default;
};

/// Feeds growing prefixes, each copied to a place of its own: nothing may depend on where the buffer lies.
outcome feed_request(const std::string& text, const std::vector<std::size_t>& cuts)
{
    head_scanner scanner(message_kind::request);
    request_head head;
    for (const std::size_t cut : cuts) {
        const std::string prefix(text, 0, cut);
        const auto size = parse_request_head(prefix, bounds, head, scanner);
        if (size) return {{}, *size, nullptr};
        if (size.error() != errc::need_more) return {size.error(), 0, head.why};
    }
    return {errc::need_more, 0, nullptr};
}

struct body_outcome {
    error_code error;
    std::string payload;
    std::size_t size = 0;
    std::vector<std::pair<std::string, std::string>> trailers;
    friend bool operator==(const body_outcome&, const body_outcome&) = default;
};

body_outcome feed_body(std::string_view text, const std::vector<std::size_t>& cuts)
{
    body_decoder decoder(body_kind::chunked, 0, bounds);
    body_outcome out;
    for (const std::size_t cut : cuts) {
        while (out.size < cut && !decoder.done()) {
            const auto step = decoder.next(text.substr(out.size, cut - out.size));
            if (!step) {
                out.error = step.error();
                out.size = 0;
                return out;
            }
            out.payload += step->data;
            out.size += step->consumed;
        }
    }
    out.trailers = decoder.trailers();
    return out;
}

} // namespace

TEST(split, request_heads_are_judged_alike_however_they_arrive)
{
    for (const std::string text : requests) {
        const auto whole = feed_request(text, {text.size()});
        EXPECT_NE(whole.error, errc::need_more) << text;
        for (std::size_t cut = 0; cut <= text.size(); ++cut)
            EXPECT_EQ(feed_request(text, {cut, text.size()}), whole) << text << cut;
        std::vector<std::size_t> single_bytes;
        for (std::size_t cut = 1; cut <= text.size(); ++cut) single_bytes.push_back(cut);
        EXPECT_EQ(feed_request(text, single_bytes), whole) << text;
    }
}

TEST(split, chunked_bodies_are_judged_alike_however_they_arrive)
{
    for (const std::string text : bodies) {
        const auto whole = feed_body(text, {text.size()});
        for (std::size_t cut = 0; cut <= text.size(); ++cut) EXPECT_EQ(feed_body(text, {cut, text.size()}), whole) << text << cut;
        std::vector<std::size_t> single_bytes;
        for (std::size_t cut = 1; cut <= text.size(); ++cut) single_bytes.push_back(cut);
        EXPECT_EQ(feed_body(text, single_bytes), whole) << text;
    }
}

TEST(split, a_large_head_in_single_bytes_is_looked_at_once)
{
    const std::string start = "GET / HTTP/1.1\r\nHost: a.example\r\nA: ";
    const std::string text = start + std::string(bounds.max_head - start.size() - 4, 'x') + "\r\n\r\n";
    head_scanner scanner(message_kind::request);
    // Poisoning the bytes that were already seen proves that they are not read again.
    std::string buffer;
    for (std::size_t i = 0; i < text.size(); ++i) {
        buffer.push_back(text[i]);
        const auto end = scanner.find_end(buffer, bounds);
        if (i + 1 < text.size())
            ASSERT_EQ(end.error(), errc::need_more) << i;
        else
            ASSERT_EQ(*end, text.size());
        if (i > 100 && i + 8 < text.size()) buffer[i - 8] = '\n';
    }
}

TEST(split, a_connection_closed_between_requests_is_told_from_one_cut_inside)
{
    head_scanner scanner(message_kind::request);
    EXPECT_FALSE(scanner.find_end("", bounds));
    EXPECT_FALSE(scanner.started());
    EXPECT_FALSE(scanner.find_end("\r\n", bounds));
    EXPECT_FALSE(scanner.started());
    EXPECT_FALSE(scanner.find_end("\r\nG", bounds));
    EXPECT_TRUE(scanner.started());
    scanner.reset();
    EXPECT_FALSE(scanner.started());
}

TEST(split, response_heads_are_judged_alike_however_they_arrive)
{
    const response_context context{"GET", false};
    for (const std::string text :
         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 O\x01\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\n\r\n",
          "HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n"}) {
        response_head whole;
        const auto expected = parse_response_head(text, bounds, context, whole);
        for (std::size_t cut = 0; cut <= text.size(); ++cut) {
            head_scanner scanner(message_kind::response);
            response_head head;
            auto size = parse_response_head(std::string_view(text).substr(0, cut), bounds, context, head, scanner);
            if (!size && size.error() == errc::need_more) size = parse_response_head(text, bounds, context, head, scanner);
            EXPECT_EQ(size, expected) << text << cut;
            EXPECT_EQ(head.why, whole.why) << text << cut;
        }
    }
}
