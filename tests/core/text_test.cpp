#include "core/text.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;

TEST(escape_line, keeps_plain_text)
{
    EXPECT_EQ(escape_line("GET /päth HTTP/1.1"), "GET /päth HTTP/1.1");
}

TEST(escape_line, disarms_terminals_and_logs)
{
    EXPECT_EQ(escape_line("a\r\nb"), "a\\x0d\\x0ab");
    EXPECT_EQ(escape_line("\x1b[31m"), "\\x1b[31m");
    EXPECT_EQ(escape_line("\xc2\x9b"), "\\u{009b}");     // C1 CSI
    EXPECT_EQ(escape_line("\xe2\x80\xae"), "\\u{202e}"); // right-to-left override
    EXPECT_EQ(escape_line("\xe2\x80\xa8"), "\\u{2028}");
    EXPECT_EQ(escape_line("\xff\xc0\x80"), "\\xff\\xc0\\x80"); // not UTF-8, overlong
    EXPECT_EQ(escape_line("\\x0a"), "\\\\x0a");                // what was escaped can be told from what was sent
}

TEST(is_utf8, refuses_overlong_and_surrogates)
{
    EXPECT_TRUE(is_utf8("häuser \xf0\x9f\x8c\x8a"));
    for (const char* text : {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xe2\x82"})
        EXPECT_FALSE(is_utf8(text));
}
