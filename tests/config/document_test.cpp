#include "config/document.hpp"
#include "config/yaml_bounds.hpp"

#include <gtest/gtest.h>

namespace cofferdam::config {
namespace {

using namespace std::chrono_literals;

template <class Call>
std::string error_of(Call call)
{
    try {
        call();
    }
    catch (const config_error& wrong) {
        return wrong.what();
    }
    return "no error";
}

std::string parse_error(const std::string& text)
{
    return error_of([&] { parse_document(text, "p.yaml"); });
}

TEST(document, sizes)
{
    const auto bytes = [](const std::string& text) { return parse_document(text, "p.yaml").bytes(0, SIZE_MAX); };
    EXPECT_EQ(bytes("0"), 0U);
    EXPECT_EQ(bytes("512"), 512U);
    EXPECT_EQ(bytes("512B"), 512U);
    EXPECT_EQ(bytes("64KiB"), 65536U);
    EXPECT_EQ(bytes("64 KiB"), 65536U);
    EXPECT_EQ(bytes("1MiB"), 1U << 20);
    EXPECT_EQ(bytes("2GiB"), std::size_t{2} << 30);
    EXPECT_EQ(bytes("3kB"), 3000U);
    EXPECT_EQ(bytes("3KB"), 3000U);
    EXPECT_EQ(bytes("3MB"), 3'000'000U);
    EXPECT_EQ(bytes("3GB"), 3'000'000'000U);
    for (const auto* wrong :
         {"''", "KiB", "64kib", "-1", "+1", "1.5MiB", "1e3", "18446744073709551616", "99999999999GiB", "1 2", "0x10"}) {
        EXPECT_NE(error_of([&] { bytes(wrong); }).find("expected a size"), std::string::npos) << wrong;
    }
}

TEST(document, durations)
{
    const auto time = [](const std::string& text) { return parse_document(text, "p.yaml").duration(0ms, 1000h); };
    EXPECT_EQ(time("0"), 0ms);
    EXPECT_EQ(time("7"), 7s);
    EXPECT_EQ(time("1500ms"), 1500ms);
    EXPECT_EQ(time("10s"), 10s);
    EXPECT_EQ(time("5m"), 5min);
    EXPECT_EQ(time("24h"), 24h);
    EXPECT_EQ(time("1 h"), 1h);
    for (const auto* wrong : {"''", "s", "1d", "1.5s", "-1s", "10S", "1001h", "18446744073709551615h"}) {
        EXPECT_NE(error_of([&] { time(wrong); }).find("expected a duration"), std::string::npos) << wrong;
    }
}

TEST(document, booleans_are_two_words)
{
    EXPECT_TRUE(parse_document("true", "p.yaml").boolean());
    EXPECT_FALSE(parse_document("false", "p.yaml").boolean());
    for (const auto* wrong : {"yes", "no", "on", "True", "1", "''"}) {
        EXPECT_NE(error_of([&] { parse_document(wrong, "p.yaml").boolean(); }).find("expected true or false"), std::string::npos);
    }
}

TEST(document, a_scalar_counts_as_a_list_of_one_and_null_as_none)
{
    const auto items = [](const std::string& text) {
        std::vector<std::string> out;
        parse_document(text, "p.yaml").each([&](const node& item) { out.push_back(item.path() + '=' + item.text()); });
        return out;
    };
    EXPECT_EQ(items("[a, b]"), (std::vector<std::string>{"[0]=a", "[1]=b"}));
    EXPECT_EQ(items("a"), std::vector<std::string>{"=a"});
    EXPECT_TRUE(items("").empty());
    EXPECT_EQ(error_of([&] { items("{a: 1}"); }), "p.yaml:1:1: expected a list");
}

TEST(document, messages_are_one_printable_line)
{
    const auto error = error_of([] { parse_document("{\"a\\n\\e[31m\": 1}", "p.yaml").mapping({{"b", [](const node&) {}}}); });
    EXPECT_NE(error.find("unknown key 'a\\x0a\\x1b[31m'"), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos);
    const auto escape = parse_error("a: \"\\\n\\\r\""); // the parser quotes what it does not know
    EXPECT_EQ(escape.find_first_of("\r\n"), std::string::npos) << escape;
    const auto huge = error_of([] { parse_document(std::string(100'000, 'x'), "p.yaml").count(1, 2); });
    EXPECT_LT(huge.size(), 400U);
}

TEST(document, a_syntax_error_has_its_place)
{
    EXPECT_TRUE(parse_error("a: 1\nb: [1, 2\nc: 3\n").starts_with("p.yaml:3:")) << parse_error("a: 1\nb: [1, 2\nc: 3\n");
    EXPECT_TRUE(parse_error("a: 1\n\tb: 2\n").starts_with("p.yaml:2:")) << parse_error("a: 1\n\tb: 2\n");
    EXPECT_TRUE(parse_error("a: *nobody\n").starts_with("p.yaml:1:")) << parse_error("a: *nobody\n");
    EXPECT_EQ(parse_error("a: 1\n---\nb: 2\n"), "p.yaml: expected one YAML document, found 2");
}

TEST(document, nesting_is_bounded)
{
    EXPECT_EQ(parse_error(std::string(max_yaml_depth, '[') + std::string(max_yaml_depth, ']')), "no error");
    const auto deep = max_yaml_depth + 1;
    EXPECT_EQ(parse_error(std::string(deep, '[') + std::string(deep, ']')), "p.yaml:1:65: nested deeper than 64 levels");
    EXPECT_NE(parse_error(std::string(1'000'000, '[')).find("nested deeper"), std::string::npos);
    EXPECT_NE(parse_error(std::string(1'000'000, '{')).find("p.yaml:"), std::string::npos);
    std::string lists;
    for (int i = 0; i < 100'000; ++i) lists += "- ";
    EXPECT_NE(parse_error(lists).find("nested deeper"), std::string::npos);
}

TEST(document, aliases_count_as_what_they_stand_for)
{
    EXPECT_EQ(parse_error("a: &x [1, 2]\nb: *x\n"), "no error");
    std::string laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
    for (int i = 1; i < 10; ++i) {
        const auto inner = "*a" + std::to_string(i - 1);
        laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + inner;
        for (int k = 0; k < 8; ++k) laughs += ", " + inner;
        laughs += "]\n";
    }
    EXPECT_NE(parse_error(laughs).find("more than 1000000 values, aliases expanded"), std::string::npos) << parse_error(laughs);
    EXPECT_EQ(parse_error("a: &x [1, *x]\n"), "p.yaml:1:11: this alias stands inside what it names");
}

} // namespace
} // namespace cofferdam::config
