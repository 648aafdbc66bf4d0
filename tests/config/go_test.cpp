#include "machine.hpp"

namespace cofferdam::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using go_test = machine;

TEST_F(go_test, what_go_reports)
{
    program("go", "[ \"$GOTOOLCHAIN\" = local ] && echo '{\"GOPROXY\": \"https://p.go.example,https://q.example/a|direct\", "
                  "\"GOSUMDB\": \"sum.go.example\"}'");
    EXPECT_THAT(read(read_go), ElementsAre("GET,HEAD https://p.go.example/ <- preset go (GOPROXY as go reports it)",
                                           "GET,HEAD https://q.example/a/ <- preset go (GOPROXY as go reports it)",
                                           "GET,HEAD https://sum.go.example/ <- preset go (GOSUMDB as go reports it)"));
}

TEST_F(go_test, variables_and_files_where_go_does_not_answer)
{
    EXPECT_THAT(error(read_go), testing::StartsWith("preset go: go is not installed (or did not answer)"));
    write("home/.config/go/env", "GOFLAGS=-mod=mod\nGOPROXY=https://file.example\nGOSUMDB=off\n");
    EXPECT_THAT(read(read_go), ElementsAre("GET,HEAD https://file.example/ <- preset go (~/home/.config/go/env:2)"));
    here.environment["GOPROXY"] = "https://variable.example";
    EXPECT_THAT(read(read_go), ElementsAre("GET,HEAD https://variable.example/ <- preset go (GOPROXY)"));
    here.environment.erase("GOPROXY");
    here.environment["GOENV"] = "off";
    EXPECT_THAT(error(read_go), HasSubstr("go is not installed"));
}

TEST_F(go_test, off_direct_and_nonsense)
{
    here.environment["GOPROXY"] = "off";
    EXPECT_THAT(read(read_go), IsEmpty());
    here.environment["GOPROXY"] = "file:///srv/proxy";
    EXPECT_THAT(read(read_go), IsEmpty());
    here.environment["GOPROXY"] = "https://p.example,off,https://never.example";
    EXPECT_THAT(read(read_go), ElementsAre(HasSubstr("p.example")));
    here.environment["GOPROXY"] = "direct";
    EXPECT_THAT(error(read_go),
                testing::StartsWith("preset go (GOPROXY): GOPROXY is 'direct': modules come from their own hosts"));
    here.environment["GOPROXY"] = "p.example";
    EXPECT_THAT(error(read_go), HasSubstr("'p.example' is not a proxy's URL"));
}

TEST_F(go_test, checksum_databases)
{
    const auto sumdb = [](const std::string& text) {
        entry_list list("go");
        add_go_sumdb(text, "GOSUMDB", list);
        const auto entries = list.take();
        return entries.empty() ? std::string() : entries.front().text;
    };
    EXPECT_EQ(sumdb("sum.example"), "GET,HEAD https://sum.example/");
    EXPECT_EQ(sumdb("sum.example+1a2b+AbC/+="), "GET,HEAD https://sum.example/");
    EXPECT_EQ(sumdb("sum.example https://mirror.example/sumdb/x"), "GET,HEAD https://mirror.example/sumdb/x/");
    EXPECT_EQ(sumdb("off"), "");
    EXPECT_EQ(sumdb(""), "");
}

} // namespace
} // namespace cofferdam::config
