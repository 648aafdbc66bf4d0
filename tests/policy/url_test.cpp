#include "core/error.hpp"
#include "policy/endpoint.hpp"
#include "policy/url.hpp"

#include <gtest/gtest.h>

namespace cofferdam::policy {
namespace {

using namespace std::string_literals;

struct carried {
    std::string input, forwarded;
};

class canonical_target_carries : public testing::TestWithParam<carried> {};

TEST_P(canonical_target_carries, what_is_judged_is_forwarded)
{
    const auto target = canonical_target(GetParam().input);
    ASSERT_TRUE(target.has_value()) << GetParam().input;
    EXPECT_EQ(target->to_string(), GetParam().forwarded);
    const auto again = canonical_target(target->to_string());
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(*again, *target);
}

INSTANTIATE_TEST_SUITE_P(plain, canonical_target_carries,
                         testing::Values(carried{"/", "/"}, carried{"*", "*"}, carried{"/simple/", "/simple/"},
                                         carried{"/a?", "/a?"}, carried{"/a?b=c?d", "/a?b=c?d"},
                                         carried{"/@scope%2fname", "/@scope%2Fname"}, carried{"/@scope%2Fname", "/@scope%2Fname"},
                                         carried{"/g%2Bb~1+x@2.0!/v/!azure/@v/v1.0.0.zip",
                                                 "/g%2Bb~1+x@2.0!/v/!azure/@v/v1.0.0.zip"},
                                         carried{"/a//b", "/a//b"}, carried{"//a", "//a"}, carried{"/a;v=1/b", "/a;v=1/b"},
                                         carried{"/.well-known/x", "/.well-known/x"}, carried{"/...", "/..."},
                                         carried{"/a..b/..c/d../.e", "/a..b/..c/d../.e"}, carried{"/a:b/{c}|d", "/a:b/{c}|d"}));

INSTANTIATE_TEST_SUITE_P(normalised, canonical_target_carries,
                         testing::Values(carried{"/%41%2d%7e%5F", "/A-~_"}, carried{"/a%20b", "/a%20b"},
                                         carried{"/%c3%a9", "/%C3%A9"}, carried{"/%3fx%23", "/%3Fx%23"},
                                         carried{"/100%25", "/100%25"}, carried{"/a_1%253a2.deb", "/a_1%253a2.deb"},
                                         carried{"/%2541", "/%2541"},
                                         carried{"/a?q=%zz&r=%2e%2e/&s=%", "/a?q=%zz&r=%2e%2e/&s=%"}));

class canonical_target_refuses : public testing::TestWithParam<std::string> {};

TEST_P(canonical_target_refuses, as_ambiguous)
{
    const auto target = canonical_target(GetParam());
    ASSERT_FALSE(target.has_value()) << GetParam() << " became " << target->to_string();
    EXPECT_EQ(target.error(), make_error_code(errc::ambiguous)) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(dot_segments, canonical_target_refuses,
                         testing::Values("/allowed/../secret", "/allowed/./x", "/..", "/.", "/a/..", "/../", "/%2e%2e/x",
                                         "/.%2E/x", "/%2e/x", "/a/%2e%2e", "/a/..;/b", "/a/..;x=y/b", "/a/.;/b", "/a/..%3b/b",
                                         "/a/%2e%2e%3Bx/b", "/a/..%20/b", "/a/..%2fb", "/a%2f..%2fb", "/a%2f..", "/a%2F%2e%2e/b",
                                         "/@scope%2f..%2f..%2fsecret"));
INSTANTIATE_TEST_SUITE_P(double_encoding, canonical_target_refuses,
                         testing::Values("/%252e%252e/x", "/a%252fb", "/a%252Fb", "/a%255cb", "/a%25252fb", "/a%25%32%66b",
                                         "/a%2500", "/a%250d", "/a%25c0%25ae", "/a/..%253b/b", "/a/..%2520/b", "/a%251%2561",
                                         "/a%25252525251"));
INSTANTIATE_TEST_SUITE_P(octets, canonical_target_refuses,
                         testing::Values("/a\\b"s, "/a%5cb"s, "/a%5Cb"s, "/a\0b"s, "/a%00b"s, "/a\tb"s, "/a\r\nb"s, "/a%0d%0ab"s,
                                         "/a%7fb"s, "/a b"s, "/a#b"s, "/a?b#c"s, "/a?b c"s, "/a?b\xc3\xa9"s, "/\xc3\xa9"s,
                                         "/a?b\x01"s));
INSTANTIATE_TEST_SUITE_P(escapes, canonical_target_refuses,
                         testing::Values("/%", "/%4", "/%zz", "/%u002e", "/%c0%ae%c0%ae/x", "/%c0%af", "/%e0%80%af", "/%ff",
                                         "/%e9", "/%ed%a0%80", "/%%34%31"));

TEST(canonical_target, refuses_what_is_no_origin_form)
{
    for (const auto* bad : {"", "a", "?a", "http://a.example/", "a.example:443", "**", "*?", "\\a", "%2fa"}) {
        ASSERT_FALSE(canonical_target(bad).has_value()) << bad;
        EXPECT_EQ(canonical_target(bad).error(), make_error_code(errc::malformed)) << bad;
    }
    EXPECT_EQ(canonical_target("/" + std::string(max_target_length, 'a')).error(), make_error_code(errc::too_large));
}

TEST(canonical_target, flags)
{
    EXPECT_TRUE(canonical_target("/@s%2fn")->has_encoded_slash);
    EXPECT_FALSE(canonical_target("/@s/n")->has_encoded_slash);
    EXPECT_TRUE(canonical_target("/a?")->has_query);
    EXPECT_FALSE(canonical_target("/a")->has_query);
}

TEST(merged_path, is_how_else_an_origin_may_read_it)
{
    EXPECT_EQ(merged_path("//a///b%2Fc%2F/d"), "/a/b/c/d");
    EXPECT_EQ(merged_path("/a/b"), "/a/b");
    EXPECT_TRUE(has_second_reading("/a%2Fb"));
    EXPECT_TRUE(has_second_reading("/a//b"));
    EXPECT_FALSE(has_second_reading("/a/b%20"));
}

struct coverage {
    std::string prefix, path;
    bool covered;
};

class encoded_slash_and_prefix : public testing::TestWithParam<coverage> {};

TEST_P(encoded_slash_and_prefix, cannot_cross_a_boundary)
{
    const auto& [prefix, path, covered] = GetParam();
    const auto target = canonical_target(path);
    ASSERT_TRUE(target.has_value()) << path;
    EXPECT_EQ(covers_path(prefix, target->path), covered) << prefix << " " << path;
}

INSTANTIATE_TEST_SUITE_P(table, encoded_slash_and_prefix,
                         testing::Values(coverage{"/", "/@scope%2fname", true}, coverage{"/npm/", "/npm/@scope%2fname", true},
                                         coverage{"/npm", "/npm/@scope%2fname", true}, coverage{"/npm", "/npm%2fx", false},
                                         coverage{"/npm/", "/npm%2fx", false}, coverage{"/@scope/", "/@scope%2fname", false},
                                         coverage{"/@scope", "/@scope%2fname", false}, coverage{"/a/b/", "/a%2fb/c", false},
                                         coverage{"/a/", "/a//b", true}, coverage{"/a/", "//a/b", false},
                                         coverage{"/a/b/", "/a//b/c", false}, coverage{"/", "//a", true}));

} // namespace
} // namespace cofferdam::policy
