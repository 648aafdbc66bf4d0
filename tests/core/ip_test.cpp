#include "core/ip.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;

TEST(ip_address, round_trips_canonical_text)
{
    for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1",
                             "1:0:0:2::", "1:2:3:4:5:6:7:8", "2001:db8:0:1:1:1:1:1", "fe80::1"}) {
        const auto address = ip_address::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->to_string(), text);
    }
}

TEST(ip_address, refuses_every_sloppy_form)
{
    for (const char* text : {"",
                             "1",
                             "1.2.3",
                             "1.2.3.4.5",
                             "01.2.3.4",
                             "0x7f.0.0.1",
                             "127.1",
                             "2130706433",
                             "1.2.3.256",
                             "1.2.3.",
                             " 1.2.3.4",
                             "1.2.3.4 ",
                             "1..2.3",
                             "::g",
                             ":::",
                             "1::2::3",
                             "12345::",
                             "1:2:3:4:5:6:7",
                             "1:2:3:4:5:6:7:8:9",
                             "fe80::1%eth0",
                             "[::1]",
                             "::1.2.3",
                             "1:2:3:4:5:6:7::8:9",
                             ":1::",
                             "1.2.3.4::"}) {
        EXPECT_FALSE(ip_address::parse(text)) << text;
    }
}

TEST(ip_address, unmapping_finds_the_embedded_address)
{
    for (const char* text : {"::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"})
        EXPECT_EQ(ip_address::parse(text)->unmapped().to_string(), "127.0.0.1") << text;
    EXPECT_EQ(ip_address::parse("2001:db8::1")->unmapped().to_string(), "2001:db8::1");
}

TEST(ip_address, masking_keeps_the_first_bits)
{
    const auto masked = [](const char* text, unsigned length) { return ip_address::parse(text)->masked(length).to_string(); };
    EXPECT_EQ("10.1.2.3", masked("10.1.2.3", 32));
    EXPECT_EQ("10.1.2.2", masked("10.1.2.3", 31));
    EXPECT_EQ("10.1.0.0", masked("10.1.255.3", 16));
    EXPECT_EQ("255.224.0.0", masked("255.255.255.255", 11));
    EXPECT_EQ("0.0.0.0", masked("255.255.255.255", 0));
    EXPECT_EQ("fd00::", masked("fd00:1::1", 16));
    EXPECT_EQ("fd00:1::1", masked("fd00:1::1", 128));
}

TEST(ip_address, scopes)
{
    const std::pair<const char*, ip_scope> cases[] = {
        {"8.8.8.8", ip_scope::global},
        {"127.9.9.9", ip_scope::loopback},
        {"10.1.2.3", ip_scope::private_use},
        {"172.31.255.255", ip_scope::private_use},
        {"172.32.0.0", ip_scope::global},
        {"192.168.0.1", ip_scope::private_use},
        {"169.254.169.254", ip_scope::metadata},
        {"169.254.1.1", ip_scope::link_local},
        {"100.64.0.2", ip_scope::shared},
        {"198.18.0.1", ip_scope::benchmarking},
        {"0.0.0.0", ip_scope::unspecified},
        {"::1", ip_scope::loopback},
        {"::ffff:10.0.0.1", ip_scope::private_use},
        {"64:ff9b::a00:1", ip_scope::private_use},
        {"fd00:ec2::254", ip_scope::metadata},
        {"fe80::1", ip_scope::link_local},
        {"2606:4700::1", ip_scope::global},
        {"224.0.0.1", ip_scope::multicast},
        {"255.255.255.255", ip_scope::reserved},
    };
    for (const auto& [text, scope] : cases)
        EXPECT_EQ(to_string(ip_address::parse(text)->scope()), std::string(to_string(scope))) << text;
}

TEST(ip_prefix, contains_and_refuses_host_bits)
{
    const auto ten = ip_prefix::parse("10.20.0.0/16").value();
    EXPECT_TRUE(ten.contains(*ip_address::parse("10.20.255.1")));
    EXPECT_FALSE(ten.contains(*ip_address::parse("10.21.0.0")));
    EXPECT_FALSE(ten.contains(*ip_address::parse("::ffff:10.20.0.1")));
    EXPECT_TRUE(ip_prefix::parse("0.0.0.0/0")->contains(*ip_address::parse("1.2.3.4")));
    EXPECT_TRUE(ip_prefix::parse("2001:db8::/33")->contains(*ip_address::parse("2001:db8:7fff::1")));
    EXPECT_FALSE(ip_prefix::parse("2001:db8::/33")->contains(*ip_address::parse("2001:db8:8000::1")));
    for (const char* text : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "::1/64"})
        EXPECT_FALSE(ip_prefix::parse(text)) << text;
}
