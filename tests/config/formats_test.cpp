#include "config/ini.hpp"
#include "config/toml.hpp"
#include "config/xml.hpp"
#include "core/error.hpp"

#include <gtest/gtest.h>

namespace cofferdam::config {
namespace {

std::string flat(const std::vector<ini_row>& rows)
{
    std::string out;
    for (const auto& row : rows) {
        out += std::to_string(row.line) + '[' + row.section + ']' + row.key + '=' + row.value + '|';
    }
    return out;
}

std::string flat_toml(std::string_view text)
{
    int line = 0;
    const auto rows = parse_toml(text, line);
    if (!rows) return "error in line " + std::to_string(line);
    std::string out;
    for (const auto& row : *rows) {
        out += std::to_string(row.line);
        for (const auto& part : row.path) out += '/' + part;
        out += '=' + row.value + '|';
    }
    return out;
}

TEST(ini, as_npm_reads_it)
{
    EXPECT_EQ(flat(parse_ini("; c\nregistry = https://r.example/ ; no\n@a:registry=\"https://q.example/\"\n[s]\nx=1\nca[]=b\n",
                             ini_dialect::npm)),
              "2[]registry=https://r.example/|3[]@a:registry=https://q.example/|5[s]x=1|6[s]ca=b|");
    EXPECT_EQ(flat(parse_ini("a=1\\;2\\#3\r\n # c\nonly\n=x\nb=", ini_dialect::npm)), "1[]a=1;2#3|5[]b=|");
    EXPECT_EQ(flat(parse_ini("key: value = x", ini_dialect::npm)), "1[]key: value=x|");
}

TEST(ini, as_configparser_reads_it)
{
    EXPECT_EQ(flat(parse_ini("[global]\nindex-url: https://p.example/simple\nextra-index-url =\n    https://q.example/\n    # c\n"
                             "    https://r.example/\ntimeout = 5\n",
                             ini_dialect::python)),
              "2[global]index-url=https://p.example/simple|3[global]extra-index-url=\nhttps://q.example/\nhttps://r.example/|"
              "7[global]timeout=5|");
    EXPECT_EQ(flat(parse_ini("\xEF\xBB\xBF"
                             "a = 1 ; kept\n",
                             ini_dialect::python)),
              "1[]a=1 ; kept|");
}

TEST(ini, variables)
{
    const auto lookup = [](const std::string& name) { return std::string(name == "HOST" ? "r.example" : ""); };
    EXPECT_EQ(expand_variables("https://${HOST}/${HOST}", lookup), "https://r.example/r.example");
    EXPECT_EQ(expand_variables("${NO}-${NO?}-${", lookup), "${NO}--${");
}

TEST(toml, tables_and_values)
{
    EXPECT_EQ(flat_toml("a = \"x\" # c\n[source.mirror]\nregistry = 'sparse+https://i.example/'\n[registries]\n"
                        "acme = { index = \"https://g.example/\", n = 1 }\n"),
              "1/a=x|3/source/mirror/registry=sparse+https://i.example/|5/registries/acme/index=https://g.example/|"
              "5/registries/acme/n=1|");
    EXPECT_EQ(flat_toml("[[bin]]\nname = \"a\"\n[[bin]]\nname = \"b\"\n"), "2/bin/name=a|4/bin/name=b|");
    EXPECT_EQ(flat_toml("[a.\"b.c\". d]\n'e'.f = true\n"), "2/a/b.c/d/e/f=true|");
    EXPECT_EQ(flat_toml("a = [ \"x\", # c\n  'y',\n]\nb = 1\n"), "1/a=x|2/a=y|4/b=1|");
    EXPECT_EQ(flat_toml("a = []\nb = {}\nc = [[1, 2], [3]]\r\nd = 2024-01-01T00:00:00Z\n"),
              "3/c=1|3/c=2|3/c=3|4/d=2024-01-01T00:00:00Z|");
    EXPECT_EQ(flat_toml(""), "");
    EXPECT_EQ(flat_toml("a = 1"), "1/a=1|");
    EXPECT_EQ(flat_toml("a = 1979-05-27 07:32:00 # c"), "1/a=1979-05-27 07:32:00|");
    EXPECT_EQ(flat_toml("a = 1979-05-27"), "1/a=1979-05-27|");
}

TEST(toml, strings)
{
    EXPECT_EQ(flat_toml(R"(a = "\t\"\\\u00e9\U0001F600")"), "1/a=\t\"\\\xC3\xA9\xF0\x9F\x98\x80|");
    EXPECT_EQ(flat_toml("a = '\\n'\n"), "1/a=\\n|");
    EXPECT_EQ(flat_toml("a = \"\"\"\nx\ny \\\n   z\"\"\"\nb = '''\nq''r'''\n"), "1/a=x\ny z|5/b=q''r|");
    EXPECT_EQ(flat_toml("a = \"\"\nb = ''\n"), "1/a=|2/b=|");
    EXPECT_EQ(flat_toml("a = \"\"\"x\"\"\"\"\"\n"), "1/a=x\"\"|");
}

TEST(toml, what_is_not_toml_is_refused_in_its_line)
{
    EXPECT_EQ(flat_toml("a = 1\nb\n"), "error in line 2");
    for (const auto* wrong : {"a",
                              "a =",
                              "= 1",
                              "[a",
                              "[a]]",
                              "[[a]",
                              "a = \"x",
                              "a = \"x\ny\"",
                              "a = 'x",
                              "a = [1",
                              "a = [1 2]",
                              "a = {b = 1",
                              "a = {b}",
                              "a = 1 2 \"3\"",
                              "a = \"\\x\"",
                              "a = \"\\u12\"",
                              "a = \"\\uD800\"",
                              "a = 1 b = 2\n",
                              "[a] b = 1",
                              "a.b. = 1",
                              "a = {b = 1\n}",
                              "a = \"\"\"x",
                              "a = @"}) {
        EXPECT_EQ(flat_toml(wrong).substr(0, 13), "error in line") << wrong;
    }
}

TEST(toml, depth_is_bounded)
{
    int line = 0;
    const std::string deep(100'000, '[');
    EXPECT_EQ(parse_toml("a = " + deep, line).error(), errc::too_large);
    std::string inline_tables = "a = ";
    for (int i = 0; i < 10'000; ++i) inline_tables += "{a = ";
    EXPECT_EQ(parse_toml(inline_tables, line).error(), errc::too_large);
    std::string key = "a";
    for (int i = 0; i < 10'000; ++i) key += ".a";
    EXPECT_EQ(parse_toml(key + " = 1", line).error(), errc::too_large);
}

TEST(xml, elements_text_and_entities)
{
    int line = 0;
    const auto root = parse_xml(
        "<?xml version='1.0'?>\n<!-- <x> -->\n<m:settings a='>' b=\"/\">\n <mirrors>\n  <mirror>\n   <id> a&amp;b </id>\n"
        "   <url><![CDATA[https://m.example/<x>]]></url><empty/></mirror></mirrors>\n</m:settings>\n",
        line);
    ASSERT_TRUE(root);
    const auto mirrors = root->find("settings/mirrors/mirror");
    ASSERT_EQ(mirrors.size(), 1U);
    EXPECT_EQ(mirrors[0]->line, 5);
    EXPECT_EQ(mirrors[0]->child_text("id"), "a&b");
    EXPECT_EQ(mirrors[0]->child_text("url"), "https://m.example/<x>");
    EXPECT_EQ(mirrors[0]->child_text("empty"), "");
    EXPECT_EQ(mirrors[0]->child_text("none"), "");
    EXPECT_TRUE(root->find("settings/none/mirror").empty());
}

TEST(xml, what_is_not_well_formed_is_refused)
{
    for (const auto* wrong :
         {"", "text", "<a>", "</a>", "<a></b>", "<a><b></a></b>", "<a", "<a b='>", "<!-- ", "<a>&nope;</a>", "<a>&amp</a>",
          "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "<![CDATA[x", "<>x</>", "<a><</a>", "<?x"}) {
        int line = 0;
        EXPECT_FALSE(parse_xml(wrong, line)) << wrong;
        EXPECT_EQ(line, 1);
    }
    int line = 0;
    EXPECT_FALSE(parse_xml("<a>\n<b>\n</a>\n", line));
    EXPECT_EQ(line, 3);
}

TEST(xml, depth_and_number_are_bounded)
{
    int line = 0;
    std::string deep, many = "<a>";
    for (int i = 0; i < 100'000; ++i) deep += "<a>";
    EXPECT_EQ(parse_xml(deep, line).error(), errc::too_large);
    for (std::size_t i = 0; i <= max_xml_elements; ++i) many += "<b/>";
    EXPECT_EQ(parse_xml(many + "</a>", line).error(), errc::too_large);
}

} // namespace
} // namespace cofferdam::config
