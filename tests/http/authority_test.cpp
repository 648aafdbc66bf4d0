#include "core/error.hpp"
#include "http/authority.hpp"

#include <gtest/gtest.h>
#include <string>

using namespace cofferdam;
using namespace cofferdam::http;

TEST(authority, splits_host_and_port)
{
    const auto plain = parse_authority("Registry.example");
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->host, "Registry.example");
    EXPECT_EQ(plain->port, 0);

    const auto with_port = parse_authority("a_b-c.example.:65535");
    ASSERT_TRUE(with_port);
    EXPECT_EQ(with_port->host, "a_b-c.example.");
    EXPECT_EQ(with_port->port, 65535);

    const auto literal = parse_authority("[2001:db8::1]:8443");
    ASSERT_TRUE(literal);
    EXPECT_EQ(literal->host, "2001:db8::1");
    EXPECT_EQ(literal->port, 8443);
    EXPECT_TRUE(literal->ipv6_literal);
}

TEST(authority, refuses_what_two_readers_could_split_differently)
{
    for (const std::string text : {"",
                                   ":80",
                                   "user@a.example",
                                   "user:pw@a.example:80",
                                   "a.example:",
                                   "a.example:0",
                                   "a.example:080",
                                   "a.example:65536",
                                   "a.example:99999",
                                   "a.example:123456",
                                   "a.example:+80",
                                   "a.example:80x",
                                   "a.example:80:80",
                                   "a b.example",
                                   "a.example ",
                                   "a%2eexample",
                                   "a.example/",
                                   "a.example?x",
                                   "a.example\\@b.example",
                                   "a,b",
                                   "[::1",
                                   "::1",
                                   "[::1]x",
                                   "[::1]:",
                                   "[fe80::1%25eth0]",
                                   "[192.0.2.1]",
                                   "[v1.x]",
                                   "[]",
                                   "h\xc3\xa4user.example",
                                   "a\x7f.example"}) {
        EXPECT_EQ(parse_authority(text).error(), errc::malformed) << text;
    }
    EXPECT_FALSE(parse_authority(std::string("a\0b", 3)));
    EXPECT_TRUE(parse_authority(std::string(255, 'a')));
    EXPECT_FALSE(parse_authority(std::string(256, 'a')));
}
