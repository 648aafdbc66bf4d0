#include "core/error.hpp"
#include "http/body.hpp"

#include <gtest/gtest.h>
#include <string>

using namespace cofferdam;
using namespace cofferdam::http;

namespace {

const limits bounds;

struct decoded {
    std::string payload;
    std::string rest; // input after the body
    bool done = false;
    error_code error;
    std::vector<std::pair<std::string, std::string>> trailers;
};

decoded decode(body_kind kind, std::uint64_t length, std::string_view input)
{
    body_decoder decoder(kind, length, bounds);
    decoded out;
    while (!decoder.done()) {
        const auto step = decoder.next(input);
        if (!step) {
            out.error = step.error();
            return out;
        }
        out.payload += step->data;
        input.remove_prefix(step->consumed);
        if (input.empty()) break;
    }
    out.done = decoder.done();
    out.rest = input;
    out.trailers = decoder.trailers();
    return out;
}

decoded chunked(std::string_view input)
{
    return decode(body_kind::chunked, 0, input);
}

} // namespace

TEST(body, takes_off_chunk_framing)
{
    const auto d = chunked("5\r\nhello\r\n1;a;b=c;d=\"e \\\" \xff\"\r\n \r\n00A\r\n0123456789\r\n0\r\n\r\nGET");
    EXPECT_FALSE(d.error);
    EXPECT_TRUE(d.done);
    EXPECT_EQ(d.payload, "hello 0123456789");
    EXPECT_EQ(d.rest, "GET");
}

TEST(body, stops_at_the_declared_length)
{
    const auto d = decode(body_kind::length, 3, "abcdef");
    EXPECT_TRUE(d.done);
    EXPECT_EQ(d.payload, "abc");
    EXPECT_EQ(d.rest, "def");
    EXPECT_TRUE(body_decoder(body_kind::length, 0, bounds).done());
    EXPECT_TRUE(body_decoder(body_kind::none, 7, bounds).done());
}

TEST(body, refuses_malformed_chunks)
{
    for (const std::string text : {"\r\n",
                                   "\n",
                                   ";a\r\n",
                                   " 5\r\nhello\r\n",
                                   "5 \r\nhello\r\n",
                                   "\t5\r\n",
                                   "+5\r\n",
                                   "-5\r\n",
                                   "0x5\r\nhello\r\n",
                                   "g\r\n",
                                   "5\nhello",
                                   "5\rhello",
                                   "5\r\r\n",
                                   "5\r\nhelloX\r\n",
                                   "5\r\nhello\n",
                                   "5\r\nhello\rX",
                                   "5\r\nhello0\r\n\r\n",
                                   "5 ;a\r\nhello\r\n",
                                   "5;\r\nhello",
                                   "5;a=\r\nhello",
                                   "5; a\r\nhello",
                                   "5;a b\r\nhello",
                                   "5;a\nhello",
                                   "5;a=\"b\nc\"\r\n",
                                   "5;a=\"b\rc\"\r\n",
                                   "5;a=\"b\"c\r\n",
                                   "5;\x01\r\n",
                                   "5;a==b\r\n",
                                   "5,5\r\n",
                                   "0\r\n\n",
                                   "0\r\nA: b\n\r\n",
                                   "0\r\n A: b\r\n\r\n",
                                   "0\r\nA : b\r\n\r\n",
                                   "0\r\nA: b\r\n c\r\n\r\n",
                                   "0\r\nA\r\n\r\n",
                                   "0\r\nA: \x01\r\n\r\n"}) {
        EXPECT_EQ(chunked(text).error, errc::malformed) << text;
    }
    EXPECT_EQ(chunked(std::string("5\0\r\n", 4)).error, errc::malformed);
}

TEST(body, bounds_chunk_sizes_and_lines)
{
    EXPECT_FALSE(chunked("7fffffffffffffff\r\n").error);
    EXPECT_EQ(chunked("8000000000000000\r\n").error, errc::too_large);
    EXPECT_EQ(chunked("10000000000000005\r\nhello").error, errc::too_large);
    EXPECT_EQ(chunked(std::string(17, '0') + "5\r\n").error, errc::too_large);
    EXPECT_EQ(chunked("5;" + std::string(5000, 'a')).error, errc::too_large);
    EXPECT_FALSE(chunked("5;" + std::string(4000, 'a') + "\r\nhello").error);
    EXPECT_EQ(chunked("5;a=\"" + std::string(5000, 'a')).error, errc::too_large);
}

TEST(body, bounds_the_framing_of_tiny_chunks)
{
    std::string text;
    for (int i = 0; i < 100; ++i) text += "1;" + std::string(1000, 'a') + "\r\nx\r\n";
    EXPECT_EQ(chunked(text).error, errc::too_large);
    text.clear();
    for (int i = 0; i < 20000; ++i) text += "1;a=b\r\nx\r\n";
    EXPECT_FALSE(chunked(text + "0\r\n\r\n").error);
}

TEST(body, keeps_harmless_trailers_and_refuses_dangerous_ones)
{
    const auto d = chunked("0\r\nGrpc-Status: 0\r\nAuthorization: x\r\nSet-Cookie: y\r\nDigest:  z \r\nTE: w\r\n\r\nrest");
    ASSERT_TRUE(d.done);
    const std::vector<std::pair<std::string, std::string>> kept = {{"Grpc-Status", "0"}, {"Digest", "z"}};
    EXPECT_EQ(d.trailers, kept);
    EXPECT_EQ(d.rest, "rest");
    for (const std::string name :
         {"Content-Length", "transfer-encoding", "HOST", "Connection", "Upgrade", "Expect", "Content_Length"})
        EXPECT_EQ(chunked("0\r\nA: b\r\n" + name + ": 1\r\n\r\n").error, errc::malformed) << name;
}

TEST(body, bounds_trailers)
{
    EXPECT_EQ(chunked("0\r\nA: " + std::string(bounds.max_trailer, 'x')).error, errc::too_large);
    std::string many = "0\r\n";
    for (std::size_t i = 0; i <= bounds.max_header_fields; ++i) many += "A: b\r\n";
    EXPECT_EQ(chunked(many + "\r\n").error, errc::too_large);
}

TEST(body, judges_the_end_of_the_stream)
{
    body_decoder open(body_kind::until_close, 0, bounds);
    EXPECT_EQ(open.next("abc")->data, "abc");
    EXPECT_FALSE(open.done());
    EXPECT_TRUE(open.end_of_input());
    EXPECT_TRUE(open.done());

    body_decoder cut(body_kind::length, 5, bounds);
    EXPECT_EQ(cut.next("abc")->data, "abc");
    EXPECT_EQ(cut.remaining(), 2U);
    EXPECT_EQ(cut.end_of_input().error(), errc::closed);
    EXPECT_EQ(cut.next("de").error(), errc::closed);

    body_decoder no_last_chunk(body_kind::chunked, 0, bounds);
    EXPECT_TRUE(no_last_chunk.next("0\r\n"));
    EXPECT_EQ(no_last_chunk.end_of_input().error(), errc::closed);

    body_decoder none(body_kind::none, 0, bounds);
    EXPECT_TRUE(none.end_of_input());
    EXPECT_EQ(none.next("next message")->consumed, 0U);
}

TEST(body, stays_refused)
{
    body_decoder decoder(body_kind::chunked, 0, bounds);
    EXPECT_FALSE(decoder.next("x"));
    EXPECT_EQ(decoder.next("0\r\n\r\n").error(), errc::malformed);
    EXPECT_NE(decoder.why(), nullptr);
}
