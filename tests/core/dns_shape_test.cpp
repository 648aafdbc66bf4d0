#include "core/dns_shape.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>

using namespace cofferdam;
using namespace std::string_literals;

namespace {

const std::string query = "\x12\x34\x01\0\0\x01\0\0\0\0\0\0"
                          "\x03www\x07"
                          "example\0\0\x01\0\x01"s;

bool looks(const std::string& bytes)
{
    return looks_like_dns(as_bytes(bytes));
}

std::string with(std::size_t at, char octet)
{
    auto out = query;
    out[at] = octet;
    return out;
}

} // namespace

TEST(dns_shape, knows_messages_with_a_question)
{
    EXPECT_TRUE(looks(query));
    EXPECT_TRUE(looks(query + "\0\0\x29\x04\xD0"s)) << "what follows is not looked at";
    EXPECT_TRUE(looks("\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01"s)) << "the root";
    EXPECT_TRUE(looks(with(2, '\x81'))) << "an answer";
    EXPECT_TRUE(looks(with(query.size() - 2, '\x80'))) << "multicast DNS, unicast answer wanted";
    EXPECT_TRUE(looks(with(5, '\x02'))) << "two questions";
}

TEST(dns_shape, every_prefix_is_too_short)
{
    for (std::size_t n = 0; n < query.size(); ++n) EXPECT_FALSE(looks(query.substr(0, n))) << n;
}

TEST(dns_shape, refuses_what_no_server_would_read)
{
    EXPECT_FALSE(looks(with(5, '\0'))) << "no question";
    EXPECT_FALSE(looks(with(4, '\x40'))) << "thousands of questions";
    EXPECT_FALSE(looks(with(6, '\x40'))) << "thousands of answers";
    EXPECT_FALSE(looks(with(2, '\x19'))) << "opcode 3";
    EXPECT_FALSE(looks(with(12, '\xC0'))) << "a pointer in the first name";
    EXPECT_FALSE(looks(with(query.size() - 1, '\x09'))) << "class 9";
    EXPECT_FALSE(looks("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    std::string endless = query.substr(0, 12);
    for (int i = 0; i < 10; ++i) endless += '\x3F' + std::string(63, 'a');
    EXPECT_FALSE(looks(endless + "\0\0\x01\0\x01"s)) << "a name of 640 octets";
}

TEST(dns_shape, chance_does_not_look_like_dns)
{
    std::mt19937 random(7);
    std::string bytes(64, '\0');
    for (int i = 0; i < 200'000; ++i) {
        for (auto& c : bytes) c = static_cast<char>(random());
        ASSERT_FALSE(looks(bytes));
    }
}
