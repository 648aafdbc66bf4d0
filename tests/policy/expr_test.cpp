#include "policy/expr.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cofferdam::policy::expr {
namespace {

using testing::HasSubstr;

constexpr std::string_view upload_host = "api.staging.acme.test";

http_request post()
{
    static const header_list headers{{"user-agent", "agent/1.0"}, {"x-a", "1"}, {"x-a", "2"}};
    http_request out;
    out.method = "POST";
    out.scheme = "https";
    out.host = upload_host;
    out.port = 443;
    out.path = "/v1/items";
    out.query = "q=1";
    out.headers = &headers;
    return out;
}

truth judged(std::string_view text)
{
    const auto request = post();
    const fields known(request);
    return expression::compile(text).evaluate(known);
}

struct verdict {
    std::string text;
    truth says;
};

class expression_says : public testing::TestWithParam<verdict> {};

TEST_P(expression_says, what_the_table_says)
{
    EXPECT_EQ(judged(GetParam().text), GetParam().says) << GetParam().text;
}

constexpr auto yes = truth::yes;
constexpr auto no = truth::no;
constexpr auto error = truth::error;

INSTANTIATE_TEST_SUITE_P(logic, expression_says,
                         testing::Values(verdict{"true", yes}, verdict{"false", no}, verdict{"not true", no},
                                         verdict{"!false", yes}, verdict{"not not true", yes}, verdict{"true and false", no},
                                         verdict{"true && true", yes}, verdict{"false or true", yes},
                                         verdict{"false || false", no},
                                         verdict{"true or true and false", yes}, // and binds tighter
                                         verdict{"false and true or true", yes}, verdict{"(true or true) and false", no},
                                         verdict{"not false and false", no}, verdict{"not (true and false)", yes},
                                         verdict{"TRUE AND NOT False", yes}, verdict{"true -- a comment", yes},
                                         verdict{"true /* a\nb */ and true", yes}, verdict{"-- first\ntrue", yes}));

INSTANTIATE_TEST_SUITE_P(three_valued, expression_says,
                         testing::Values(verdict{"http.req.headers.none == \"x\"", error},
                                         verdict{"http.req.headers.none != \"x\"", error},
                                         verdict{"not (http.req.headers.none == \"x\")", error},
                                         verdict{"false and http.req.headers.none == \"x\"", no},
                                         verdict{"http.req.headers.none == \"x\" and false", no},
                                         verdict{"true and http.req.headers.none == \"x\"", error},
                                         verdict{"true or http.req.headers.none == \"x\"", yes},
                                         verdict{"http.req.headers.none == \"x\" or true", yes},
                                         verdict{"false or http.req.headers.none == \"x\"", error},
                                         verdict{"dst.ip == 10.0.0.0/8", error}, verdict{"zone(tls.sni) == \"x\"", error}));

INSTANTIATE_TEST_SUITE_P(
    fields_and_strings, expression_says,
    testing::Values(verdict{"http.req.method == \"POST\"", yes}, verdict{"http.req.method eq 'POST'", yes},
                    verdict{"http.req.method == \"post\"", no}, verdict{"http.req.method != \"GET\"", yes},
                    verdict{"\"POST\" == http.req.method", yes}, verdict{"http.req.method == 50:4f:53:54", yes},
                    verdict{"http.req.host == \"api.staging.acme.test\"", yes}, verdict{"http.req.path contains \"items\"", yes},
                    verdict{"http.req.path contains [\"x\", \"items\"]", yes},
                    verdict{"http.req.url == \"https://api.staging.acme.test/v1/items?q=1\"", yes},
                    verdict{"http.req.headers.User-Agent == \"agent/1.0\"", yes},
                    verdict{"http.req.headers.x-a == \"1, 2\"", yes}, verdict{"starts_with(http.req.path, \"/v1/\")", yes},
                    verdict{"starts_with(http.req.path, \"/v2\")", no}, verdict{"direction == \"egress\"", yes},
                    verdict{"protocol == \"http1\"", yes}, verdict{"tls.enabled", yes}, verdict{"not tls.enabled", no},
                    verdict{"dst.port == 443", yes}, verdict{"dst.domain == \"api.staging.acme.test\"", yes}));

INSTANTIATE_TEST_SUITE_P(
    sets_and_numbers, expression_says,
    testing::Values(verdict{"http.req.method in [\"GET\", \"POST\"]", yes},
                    verdict{"http.req.method == [\"GET\", \"POST\"]", yes}, verdict{"http.req.method != [\"GET\", \"POST\"]", no},
                    verdict{"http.req.method in []", no}, verdict{"[\"GET\", \"POST\"] contains http.req.method", yes},
                    verdict{"dst.port in [80, 443]", yes}, verdict{"dst.port > 442", yes}, verdict{"dst.port ge 444", no},
                    verdict{"dst.port < 443.5", yes}, verdict{"dst.port == 0x1bb", yes}, verdict{"dst.port == 0o673", yes},
                    verdict{"-1 < dst.port", yes}, verdict{"1.5 >= 1.5", yes}, verdict{"10.1.2.3 == 10.0.0.0/8", yes},
                    verdict{"10.1.2.3 in 10.0.0.0/8", yes}, verdict{"11.1.2.3 in [10.0.0.0/8, 11.1.2.3]", yes},
                    verdict{"11.1.2.3 != 10.0.0.0/8", yes}, verdict{"2001:db8::1 in 2001:db8::/32", yes},
                    verdict{"10.0.0.0/8 contains 10.1.1.1", yes}, verdict{"::ffff:10.1.2.3 == 10.0.0.0/8", yes}));

INSTANTIATE_TEST_SUITE_P(regular_expressions, expression_says,
                         testing::Values(verdict{"http.req.path =~ /^\\/v[0-9]+\\//", yes},
                                         verdict{"http.req.path matches |^/v1/|", yes},
                                         verdict{"http.req.path matches \"items$\"", yes},
                                         verdict{"http.req.path matches [/nope/, /items/]", yes},
                                         verdict{"http.req.path =~ /^items/", no}, verdict{"http.req.path =~ |a\\|b|", no},
                                         verdict{"false || http.req.path =~ |v1|", yes}));

INSTANTIATE_TEST_SUITE_P(
    zones, expression_says,
    testing::Values(verdict{"zone(http.req.host) == \"acme.test\"", yes}, verdict{"zone(\"a.b.co.uk\") == \"b.co.uk\"", yes},
                    verdict{"zone(\"x.user.github.io\") == \"user.github.io\"", yes},
                    verdict{"zone(\"a.b.example:8443\") == \"b.example\"", yes}, verdict{"zone(\"co.uk\") == \"co.uk\"", error},
                    verdict{"in_zone(dst.domain, \"acme.test\")", yes}, verdict{"in_zone(dst.domain, \"ACME.test\")", yes},
                    verdict{"in_zone(dst.domain, \"cme.test\")", no}, verdict{"in_zone(\"acme.test\", \"acme.test\")", yes},
                    verdict{"in_zone(\"evilacme.test\", \"acme.test\")", no}, verdict{"in_zone(\"a\", \"\")", no}));

struct mistake {
    std::string text, says;
    std::size_t offset;
};

class expression_refuses : public testing::TestWithParam<mistake> {};

TEST_P(expression_refuses, with_the_place_of_the_mistake)
{
    try {
        static_cast<void>(expression::compile(GetParam().text));
        FAIL() << "accepted " << GetParam().text;
    }
    catch (const syntax_error& wrong) {
        EXPECT_THAT(wrong.what(), HasSubstr(GetParam().says)) << GetParam().text;
        EXPECT_EQ(wrong.offset, GetParam().offset) << GetParam().text << ": " << wrong.what();
    }
}

INSTANTIATE_TEST_SUITE_P(
    grammar, expression_refuses,
    testing::Values(mistake{"", "empty", 0}, mistake{"  ", "empty", 0}, mistake{"true true", "expected an operator", 5},
                    mistake{"(true", "expected ')'", 5}, mistake{"true and", "expected a field", 8},
                    mistake{"http.req.method", "expected a comparison", 15},
                    mistake{"http.req.method ==", "expected a field", 18}, mistake{"dst.port == 1,", "expected an operator", 13},
                    mistake{"dst.port in [1, 2", "',' or ']'", 17}, mistake{"dst.port in [[1]]", "value in the array", 13},
                    mistake{"http.req.method == \"x", "not closed", 19}, mistake{"http.req.path =~ /x", "not closed", 17},
                    mistake{"true /* x", "not closed", 5}, mistake{"true @", "unexpected '@'", 5},
                    mistake{"\"\\x\" == \"\"", "unknown escape", 1}));
INSTANTIATE_TEST_SUITE_P(names, expression_refuses,
                         testing::Values(mistake{"http.req.methd == \"x\"", "unknown field 'http.req.methd'", 0},
                                         mistake{"true and foo(1)", "unknown function 'foo'", 9},
                                         mistake{"src.container.name == \"x\"", "unknown field", 0},
                                         mistake{"http.req.headers. == \"x\"", "unknown field", 0},
                                         mistake{"is_ci()", "unknown function", 0}));
INSTANTIATE_TEST_SUITE_P(
    types, expression_refuses,
    testing::Values(mistake{"http.req.method == 5", "no coercion", 19}, mistake{"dst.ip == \"10.0.0.1\"", "no coercion", 10},
                    mistake{"dst.port == \"443\"", "no coercion", 12}, mistake{"dst.port in [443, \"x\"]", "no coercion", 12},
                    mistake{"dst.port in 443", "array or an address range", 12},
                    mistake{"http.req.path =~ http.req.host", "expected a regular expression", 17},
                    mistake{"dst.port =~ /4/", "never true", 12},
                    mistake{"starts_with(dst.port, \"4\")", "expected a string", 12}, mistake{"dst.port > [1]", "no order", 11},
                    mistake{"tls.enabled == \"x\"", "never true", 15}));
INSTANTIATE_TEST_SUITE_P(values, expression_refuses,
                         testing::Values(mistake{"dst.port == 0443", "leading zero", 12},
                                         mistake{"dst.port == 99999999999999999999", "not a number", 12},
                                         mistake{"dst.ip == 10.0.0.1/8", "range", 10},
                                         mistake{"dst.ip == 10.0.0", "not a number", 10},
                                         mistake{"dst.ip == 300.0.0.1", "not a number", 10},
                                         mistake{"http.req.path == 1:2", "hex octets", 17},
                                         mistake{"http.req.path =~ /(/", "bad regular expression", 17},
                                         mistake{"http.req.path =~ /x{1000}{1000}/", "bad regular expression", 17}));

TEST(expression, is_bounded)
{
    EXPECT_THROW(static_cast<void>(expression::compile(std::string(max_depth + 1, '(') + "true")), syntax_error);
    EXPECT_THROW(static_cast<void>(expression::compile(std::string(10000, '!') + "true")), syntax_error);
    EXPECT_THROW(static_cast<void>(expression::compile("http.req.path =~ /" + std::string(max_regex_length + 1, 'a') + "/")),
                 syntax_error);
    EXPECT_THROW(static_cast<void>(expression::compile(std::string(max_expression_length + 1, ' '))), syntax_error);
    std::string chain = "true";
    while (chain.size() + 10 < max_expression_length) chain += " and true";
    EXPECT_EQ(judged(chain), truth::yes); // long is not deep
}

TEST(truth_sets, follow_from_the_single_outcomes)
{
    const auto members = [](truth t) {
        std::vector<truth> out;
        for (const auto one : {no, yes, error}) {
            if ((static_cast<unsigned>(t) & static_cast<unsigned>(one)) != 0) out.push_back(one);
        }
        return out;
    };
    for (unsigned a = 1; a < 8; ++a) {
        for (unsigned b = 1; b < 8; ++b) {
            unsigned conjunction = 0;
            unsigned disjunction = 0;
            for (const auto x : members(static_cast<truth>(a))) {
                for (const auto y : members(static_cast<truth>(b))) {
                    const auto c = x == no || y == no ? no : x == error || y == error ? error : yes;
                    const auto d = x == yes || y == yes ? yes : x == error || y == error ? error : no;
                    conjunction |= static_cast<unsigned>(c);
                    disjunction |= static_cast<unsigned>(d);
                }
            }
            EXPECT_EQ(static_cast<unsigned>(both(static_cast<truth>(a), static_cast<truth>(b))), conjunction) << a << " " << b;
            EXPECT_EQ(static_cast<unsigned>(either(static_cast<truth>(a), static_cast<truth>(b))), disjunction) << a << " " << b;
        }
    }
}

} // namespace
} // namespace cofferdam::policy::expr
