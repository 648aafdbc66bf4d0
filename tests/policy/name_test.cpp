#include "policy/name.hpp"

#include <gtest/gtest.h>

namespace cofferdam::policy {
namespace {

using namespace std::string_literals;

struct accepted_name {
    std::string input, canonical;
};

class canonical_name_accepts : public testing::TestWithParam<accepted_name> {};

TEST_P(canonical_name_accepts, one_spelling_and_is_idempotent)
{
    const auto name = canonical_name(GetParam().input);
    ASSERT_TRUE(name.has_value()) << GetParam().input;
    EXPECT_EQ(*name, GetParam().canonical);
    const auto again = canonical_name(*name);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(*again, *name);
}

INSTANTIATE_TEST_SUITE_P(table, canonical_name_accepts,
                         testing::Values(accepted_name{"www.example", "www.example"}, accepted_name{"WwW.ExAmPlE", "www.example"},
                                         accepted_name{"www.example.", "www.example"},
                                         accepted_name{"_acme-challenge.www.example", "_acme-challenge.www.example"},
                                         accepted_name{"a_b.example", "a_b.example"},
                                         accepted_name{"r3---sn-abc.video.example", "r3---sn-abc.video.example"},
                                         accepted_name{"1.2.0.192.in-addr.arpa", "1.2.0.192.in-addr.arpa"},
                                         accepted_name{"3com.example", "3com.example"}, accepted_name{"host", "host"},
                                         accepted_name{"b\xc3\xbc"
                                                       "cher.example",
                                                       "xn--bcher-kva.example"},
                                         accepted_name{"B\xc3\x9c"
                                                       "CHER.example",
                                                       "xn--bcher-kva.example"},
                                         accepted_name{"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
                                         accepted_name{"fa\xc3\x9f.example",
                                                       "xn--fa-hia.example"}, // non-transitional: not "fass"
                                         accepted_name{"www\xe3\x80\x82"
                                                       "example",
                                                       "www.example"}, // ideographic full stop is a dot
                                         accepted_name{"\xef\xbd\x85xample.test", "example.test"}, // full-width e
                                         accepted_name{"www.\xd0\xb5xample.test",
                                                       "www.xn--xample-2of.test"})); // Cyrillic look-alike stays another name

struct refused_text {
    std::string input;
    errc why;
};

class canonical_name_refuses : public testing::TestWithParam<refused_text> {};

TEST_P(canonical_name_refuses, with_its_error)
{
    const auto name = canonical_name(GetParam().input);
    ASSERT_FALSE(name.has_value()) << *name;
    EXPECT_EQ(name.error(), make_error_code(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    shape, canonical_name_refuses,
    testing::Values(refused_text{"", errc::malformed}, refused_text{".", errc::malformed}, refused_text{"a..b", errc::malformed},
                    refused_text{".a", errc::malformed}, refused_text{"a.example..", errc::malformed},
                    refused_text{"good.example\0.evil.example"s, errc::malformed}, refused_text{"a b.example", errc::malformed},
                    refused_text{"a\n.example", errc::malformed}, refused_text{"a%2eexample", errc::malformed},
                    refused_text{"-a.example", errc::malformed}, refused_text{"a-.example", errc::malformed},
                    refused_text{"*.example", errc::malformed}, refused_text{"a/b.example", errc::malformed},
                    refused_text{"u@h.example", errc::malformed}, refused_text{"[::1]", errc::malformed},
                    refused_text{"a.example:80", errc::malformed}, refused_text{"\xff.example", errc::malformed},
                    refused_text{"a\xc0\xae"
                                 "b.example",
                                 errc::malformed},                                          // overlong '.'
                    refused_text{"evil.example\xef\xbc\x8f.good.example", errc::malformed}, // full-width slash
                    refused_text{std::string(64, 'a') + ".example", errc::too_large}));

INSTANTIATE_TEST_SUITE_P(addresses_in_disguise, canonical_name_refuses,
                         testing::Values(refused_text{"2130706433", errc::ambiguous}, refused_text{"127.1", errc::ambiguous},
                                         refused_text{"127.0.0.1", errc::ambiguous}, refused_text{"0x7f.1", errc::ambiguous},
                                         refused_text{"0x7f000001", errc::ambiguous}, refused_text{"0X7F", errc::ambiguous},
                                         refused_text{"0x", errc::ambiguous}, refused_text{"017700000001", errc::ambiguous},
                                         refused_text{"0177.0.0.01", errc::ambiguous}, refused_text{"1.2.3.4.5", errc::ambiguous},
                                         refused_text{"169.254.169.254.", errc::ambiguous},
                                         refused_text{"\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.1",
                                                      errc::ambiguous})); // full-width digits

TEST(canonical_name, length_bounds)
{
    const std::string label(63, 'a');
    const auto longest = label + "." + label + "." + label + "." + std::string(61, 'b');
    ASSERT_EQ(longest.size(), max_name_length);
    EXPECT_TRUE(canonical_name(longest).has_value());
    EXPECT_TRUE(canonical_name(longest + ".").has_value());
    EXPECT_EQ(canonical_name("c" + longest).error(), make_error_code(errc::too_large));
    EXPECT_EQ(canonical_name(std::string(max_name_input + 1, 'a')).error(), make_error_code(errc::too_large));
}

TEST(parse_host, tells_names_from_literals)
{
    EXPECT_EQ(parse_host("WWW.example")->name, "www.example");
    EXPECT_EQ(parse_host("192.0.2.1")->address, *ip_address::parse("192.0.2.1"));
    EXPECT_EQ(parse_host("[2001:DB8::1]")->to_string(), "2001:db8::1");
    EXPECT_EQ(parse_host("[::ffff:192.0.2.1]")->address->unmapped(), *ip_address::parse("192.0.2.1"));
    for (const auto* bad : {"", "[]", "[192.0.2.1]", "2001:db8::1", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[v1.x]", "[::1",
                            "::1]", "192.0.2.01", "192.0.2", "0x7f.1", "192.0.2.1.", "192.0.2.256"}) {
        EXPECT_FALSE(parse_host(bad).has_value()) << bad;
    }
}

TEST(parse_authority, host_and_port)
{
    EXPECT_EQ(parse_authority("a.example")->port, std::nullopt);
    EXPECT_EQ(parse_authority("a.example:8443")->port, 8443);
    EXPECT_EQ(parse_authority("[2001:db8::1]:53")->port, 53);
    EXPECT_EQ(parse_authority("[2001:db8::1]")->where.to_string(), "2001:db8::1");
    EXPECT_EQ(parse_authority("A.Example.:65535")->where.name, "a.example");
    for (const auto* bad :
         {"", ":80", "a.example:", "a.example:0", "a.example:65536", "a.example:080", "a.example:+80", "a.example: 80",
          "a.example:80:80", "u@a.example", "u:p@a.example:80", "[::1]80", "[::1]x:80", "a.example:80/"}) {
        EXPECT_FALSE(parse_authority(bad).has_value()) << bad;
    }
}

TEST(join_host_port, brackets_around_ipv6)
{
    EXPECT_EQ(join_host_port("a.example", 22), "a.example:22");
    EXPECT_EQ(join_host_port("2001:db8::1", 22), "[2001:db8::1]:22");
}

} // namespace
} // namespace cofferdam::policy
