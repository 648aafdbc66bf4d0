#include "policy/endpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cofferdam::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

endpoint parsed(const std::string& text)
{
    return parse_endpoint({text, {"policy.yaml", 3, 7}});
}

std::string refusal(const std::string& text)
{
    try {
        const auto e = parsed(text);
        return "accepted: " + e.where.to_string();
    }
    catch (const policy_error& wrong) {
        return wrong.what();
    }
}

TEST(endpoint, url)
{
    const auto e = parsed("https://Pypi.Example/simple/");
    EXPECT_EQ(e.kind, endpoint_kind::url);
    EXPECT_EQ(e.scheme, "https");
    EXPECT_EQ(e.where.name, "pypi.example");
    EXPECT_EQ(e.port, 443);
    EXPECT_EQ(e.path, "/simple/");
    EXPECT_TRUE(e.methods.empty());
    EXPECT_EQ(parsed("http://a.example").port, 80);
    EXPECT_EQ(parsed("http://a.example").path, "/");
    EXPECT_EQ(parsed("https://a.example:8443/x").port, 8443);
    EXPECT_EQ(parsed("https://10.0.0.5/").where.range.to_string(), "10.0.0.5/32");
    EXPECT_EQ(parsed("https://[2001:db8::1]:444/").where.range.to_string(), "2001:db8::1/128");
    EXPECT_EQ(parsed("http://host:8080/x/").where.name, "host");
    EXPECT_EQ(parsed("https://a.example/%41%2fb").path, "/A%2Fb");
}

TEST(endpoint, methods)
{
    EXPECT_THAT(parsed("GET,HEAD https://a.example/acme/").methods, ElementsAre("GET", "HEAD"));
    EXPECT_THAT(parsed("  M-SEARCH   https://a.example/  ").methods, ElementsAre("M-SEARCH"));
    EXPECT_EQ(parsed("  GET  https://a.example/  ").text, "GET  https://a.example/");
}

TEST(endpoint, other_forms)
{
    EXPECT_EQ(parsed("staex.io:22").kind, endpoint_kind::any);
    EXPECT_EQ(parsed("staex.io:22").port, 22);
    EXPECT_EQ(parsed("9.9.9.9:53").where.range.to_string(), "9.9.9.9/32");
    EXPECT_EQ(parsed("[2001:db8::1]:53").where.range.to_string(), "2001:db8::1/128");
    EXPECT_EQ(parsed("[2001:db8::/32]:53").where.range.to_string(), "2001:db8::/32");
    EXPECT_EQ(parsed("10.20.0.0/16:5432").where.range.to_string(), "10.20.0.0/16");
    EXPECT_EQ(parsed("udp://time.example:123").kind, endpoint_kind::udp);
    EXPECT_EQ(parsed("udp://192.0.2.0/24:123").where.range.length(), 24U);
    EXPECT_EQ(parsed("dns:Example.org.").where.name, "example.org");
    EXPECT_EQ(parsed("host:5432").where.name, "host");
    EXPECT_EQ(parsed("dns:53").where.name, "dns"); // a host called "dns"
    EXPECT_EQ(parsed("dns:53").port, 53);
    EXPECT_EQ(parsed("b\xc3\xbc"
                     "cher.example:22")
                  .where.name,
              "xn--bcher-kva.example");
}

TEST(endpoint, wildcards)
{
    const auto one = parsed("https://*.githubusercontent.com/").where;
    EXPECT_TRUE(one.matches_name("raw.githubusercontent.com"));
    EXPECT_FALSE(one.matches_name("githubusercontent.com"));
    EXPECT_FALSE(one.matches_name("a.raw.githubusercontent.com"));
    EXPECT_FALSE(one.matches_name("evilgithubusercontent.com"));
    EXPECT_FALSE(one.matches_name(".githubusercontent.com"));
    const auto many = parsed("**.corp.example:443").where;
    EXPECT_TRUE(many.matches_name("a.corp.example"));
    EXPECT_TRUE(many.matches_name("a.b.c.corp.example"));
    EXPECT_FALSE(many.matches_name("corp.example"));
    EXPECT_FALSE(many.matches_name("evilcorp.example"));
    EXPECT_FALSE(many.matches_name("a.corp.example.evil.example"));
    EXPECT_EQ(parsed("dns:**.corp.example").where.to_string(), "**.corp.example");
}

struct refused_entry {
    std::string text, says;
};

class endpoint_refuses : public testing::TestWithParam<refused_entry> {};

TEST_P(endpoint_refuses, and_says_what_was_expected)
{
    EXPECT_THAT(refusal(GetParam().text), HasSubstr(GetParam().says));
    EXPECT_THAT(refusal(GetParam().text), testing::StartsWith("policy.yaml:3:"));
}

INSTANTIATE_TEST_SUITE_P(
    bare, endpoint_refuses,
    testing::Values(refused_entry{"a.example",
                                  "'https://a.example/' for HTTPS, 'a.example:PORT' for any protocol, 'dns:a.example'"},
                    refused_entry{"10.0.0.1", "'10.0.0.1:PORT'"}, refused_entry{"10.0.0.0/8", "a port is missing"},
                    refused_entry{"a.example/path", "https://a.example/path"},
                    refused_entry{"a.example:443/path", "a path needs a URL"}, refused_entry{"", "empty"},
                    refused_entry{"host", "host:PORT"}));
INSTANTIATE_TEST_SUITE_P(
    wildcard, endpoint_refuses,
    testing::Values(refused_entry{"*.com:443", "anybody can register"}, refused_entry{"**.com:443", "anybody can register"},
                    refused_entry{"https://*.eu.org/", "public suffix"}, refused_entry{"https://*.github.io/", "public suffix"},
                    refused_entry{"dns:**.co.uk", "public suffix"}, refused_entry{"dns:*.sslip.io", "gives names away"},
                    refused_entry{"dns:**.nip.io", "gives names away"}, refused_entry{"*:443", "whole leftmost label"},
                    refused_entry{"**:443", "whole leftmost label"}, refused_entry{"https://*/", "whole leftmost label"},
                    refused_entry{"a*.b.example:1", "whole leftmost label"},
                    refused_entry{"a.*.example:1", "whole leftmost label"},
                    refused_entry{"*.*.example:1", "whole leftmost label"},
                    refused_entry{"***.b.example:1", "whole leftmost label"},
                    refused_entry{"a.example:*", "no wildcard for ports"}, refused_entry{"https://a.example/*", "no wildcards"},
                    refused_entry{"*.10.0.0.1:80", "is an address"}));
INSTANTIATE_TEST_SUITE_P(
    urls, endpoint_refuses,
    testing::Values(refused_entry{"https://a.example/x?y", "no query"}, refused_entry{"https://a.example?y", "no query"},
                    refused_entry{"https://a.example/#f", "no fragment"}, refused_entry{"https://u:p@a.example/", "user name"},
                    refused_entry{"https://a.example/../x", "two ways"}, refused_entry{"https://a.example/%2e%2e/x", "two ways"},
                    refused_entry{"https://a.example//x", "empty segment"},
                    refused_entry{"https://[2001:db8::/32]/", "']' is missing"}, refused_entry{"https:///x", "host is missing"},
                    refused_entry{"https://a.example:/x", "not a port"}, refused_entry{"ssh://a.example", "NAME:PORT"},
                    refused_entry{"wss://a.example/", "https://"}, refused_entry{"HTTPS://a.example/", "unknown scheme"}));
INSTANTIATE_TEST_SUITE_P(
    rest, endpoint_refuses,
    testing::Values(
        refused_entry{"get https://a.example/", "upper case"}, refused_entry{"GET, HEAD https://a.example/", "commas alone"},
        refused_entry{"GET, https://a.example/", "not a method"}, refused_entry{"GET HEAD https://a.example/", "commas alone"},
        refused_entry{"GET a.example:443", "methods need"}, refused_entry{"GET dns:a.example", "methods need"},
        refused_entry{"a.example:0", "1 to 65535"}, refused_entry{"a.example:65536", "1 to 65535"},
        refused_entry{"a.example:0443", "1 to 65535"}, refused_entry{"2001:db8::1:53", "brackets"},
        refused_entry{"[10.0.0.1]:53", "only IPv6"}, refused_entry{"[::1", "']' is missing"},
        refused_entry{"[::1]53", "expected ':PORT'"}, refused_entry{"10.0.0.1/8:53", "host bits"},
        refused_entry{"0x7f.1:80", "could be read as an address"}, refused_entry{"2130706433:80", "could be read as an address"},
        refused_entry{"[::ffff:10.0.0.1]:80", "write that one: '10.0.0.1'"}, refused_entry{"[2002:a00:1::]:80", "write that one"},
        refused_entry{"dns:10.0.0.1", "is an address"}, refused_entry{"dns:a b", "not a method"},
        refused_entry{"a\x1b[31m.example:1", "\\x1b"}, refused_entry{std::string(max_entry_length + 1, 'a'), "longer"}));

TEST(endpoint, error_points_into_the_entry)
{
    try {
        static_cast<void>(parsed("GET,post https://a.example/"));
        FAIL();
    }
    catch (const policy_error& wrong) {
        EXPECT_EQ(wrong.where.line, 3);
        EXPECT_EQ(wrong.where.column, 11);
    }
}

struct coverage {
    std::string prefix, path;
    bool covered;
};

TEST(covers_path, at_segment_boundaries)
{
    for (const auto& [prefix, path, covered] :
         {coverage{"/acme/", "/acme/", true}, coverage{"/acme/", "/acme/x", true}, coverage{"/acme/", "/acme", false},
          coverage{"/acme", "/acme", true}, coverage{"/acme", "/acme/x", true}, coverage{"/acme", "/acmeevil", false},
          coverage{"/acme", "/acme.git", false}, coverage{"/acme", "/acme;x", false}, coverage{"/", "/x", true},
          coverage{"/", "*", true}, coverage{"/acme", "*", false}, coverage{"/acme", "/ACME", false}}) {
        EXPECT_EQ(covers_path(prefix, path), covered) << prefix << " " << path;
    }
}

TEST(passthrough, is_name_and_port)
{
    EXPECT_EQ(parse_passthrough({"pinned.example:443", {}}).port, 443);
    EXPECT_EQ(parse_passthrough({"*.pinned.example:443", {}}).where.how, host_pattern::match::one_label);
    for (const auto* bad : {"https://pinned.example/", "10.0.0.1:443", "udp://a.example:1", "dns:a.example", "a.example"}) {
        EXPECT_THROW(static_cast<void>(parse_passthrough({bad, {}})), policy_error) << bad;
    }
}

} // namespace
} // namespace cofferdam::policy
