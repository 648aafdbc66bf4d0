#include "config/document.hpp"
#include "config/entry_list.hpp"

#include <gtest/gtest.h>

namespace cofferdam::config {
namespace {

TEST(entry_list, urls_are_written_plainly)
{
    EXPECT_EQ(plain_url("https://r.example", reach::prefix), "https://r.example/");
    EXPECT_EQ(plain_url(" HTTPS://u:p@w@r.example:8443/a//b/c?x=/y#z \r\n", reach::prefix), "https://r.example:8443/a/b/c/");
    EXPECT_EQ(plain_url("http://r.example?x", reach::prefix), "http://r.example/");
    EXPECT_EQ(plain_url("https://u@r.example/a/b", reach::origin), "https://r.example/");
    EXPECT_EQ(plain_url("https://[2001:db8::1]:8/a", reach::prefix), "https://[2001:db8::1]:8/a/");
    for (const auto* other :
         {"", "file:///srv", "ssh://g@h.example/x", "/opt/wheels", "../x", "git@h.example:x", "sparse+https://x"}) {
        EXPECT_EQ(plain_url(other, reach::prefix), std::nullopt) << other;
    }
}

TEST(entry_list, each_entry_stands_once_with_its_first_source)
{
    entry_list list("npm");
    EXPECT_TRUE(list.add("GET,HEAD", {"https://r.example/a", "f:1"}));
    EXPECT_TRUE(list.add("GET,HEAD", {"https://r.example/a/", "f:2"}));
    EXPECT_TRUE(list.add("", {"https://r.example/a/", "f:3"}));
    EXPECT_FALSE(list.add("", {"file:///x", "f:4"}));
    const auto entries = list.take();
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].text, "GET,HEAD https://r.example/a/");
    EXPECT_EQ(entries[0].where.file, "preset npm (f:1)");
    EXPECT_EQ(entries[1].text, "https://r.example/a/");
}

TEST(entry_list, covers_is_by_prefix_whatever_the_methods)
{
    entry_list list("npm");
    list.add("GET", {"https://r.example/npm", "f"});
    list.add("", {"https://q.example/", "f"});
    EXPECT_TRUE(list.covers("https://r.example/npm/a/-/a.tgz"));
    EXPECT_TRUE(list.covers("https://q.example/x"));
    EXPECT_FALSE(list.covers("https://r.example/npmx/a"));
    EXPECT_FALSE(list.covers("https://r.example/"));
    EXPECT_FALSE(list.covers("http://q.example/x"));
    EXPECT_FALSE(list.covers("file:///x"));
}

TEST(entry_list, what_can_not_be_an_entry_is_a_located_error)
{
    for (const auto* wrong : {"https://", "https://a b.example/", "https://r.example:0/", "https://r.example/../x",
                              "https://*.com/", "https://r.example/${X}\n", "https://1.2.3/"}) {
        entry_list list("pip");
        try {
            list.add("GET", {wrong, "PIP_INDEX_URL"});
            ADD_FAILURE() << wrong;
        }
        catch (const config_error& error) {
            EXPECT_EQ(std::string(error.what()).find("preset pip (PIP_INDEX_URL): "), 0U) << error.what();
            EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
        }
    }
}

} // namespace
} // namespace cofferdam::config
