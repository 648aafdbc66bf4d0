#include "machine.hpp"

namespace cofferdam::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using apt_test = machine;

TEST_F(apt_test, lists_and_stanzas)
{
    write("etc/apt/sources.list", "# c\ndeb [arch=amd64 signed-by=/k.gpg] https://deb.example/debian stable main # x\n"
                                  "deb-src http://src.example/debian/ stable main\ndeb cdrom:[Disk]/ stable main\n"
                                  "#deb https://off.example/ x\nrpm https://no.example/ x\ndeb file:/srv ./\n");
    write("etc/apt/sources.list.d/a.sources",
          "Types: deb\nURIs: https://a.example/debian\n  https://b.example:8080/x/$(ARCH)/y\n"
          "Suites: stable\n\nEnabled: no\nURIs: https://off.example/\n\n# c\nuris: http://c.example\n");
    write("etc/apt/sources.list.d/b.list", "deb https://d.example/ ./\n");
    write("etc/apt/sources.list.d/c.save", "deb https://no.example/ ./\n");
    EXPECT_THAT(read(read_apt),
                ElementsAre("GET,HEAD https://deb.example/debian/ <- preset apt (~/etc/apt/sources.list:2)",
                            "GET,HEAD http://src.example/debian/ <- preset apt (~/etc/apt/sources.list:3)",
                            "GET,HEAD https://a.example/debian/ <- preset apt (~/etc/apt/sources.list.d/a.sources:2)",
                            "GET,HEAD https://b.example:8080/x/ <- preset apt (~/etc/apt/sources.list.d/a.sources:3)",
                            "GET,HEAD http://c.example/ <- preset apt (~/etc/apt/sources.list.d/a.sources:10)",
                            "GET,HEAD https://d.example/ <- preset apt (~/etc/apt/sources.list.d/b.list:1)"));
}

TEST_F(apt_test, places_and_proxy_as_apt_reports_them)
{
    program("apt-config", "echo \"LIST='" + write("other/list", "deb https://o.example/ x\n") + "'\"; echo \"PARTS='" +
                              (base / "none").string() + "/'\"; echo \"PLAIN='http://proxy.example:3128'\"");
    EXPECT_THAT(read(read_apt),
                ElementsAre("GET,HEAD https://o.example/ <- preset apt (~/other/list:1, Acquire::*::Proxy not followed)"));
}

TEST_F(apt_test, mirror_lists)
{
    const auto list = write("etc/apt/mirrors.txt", "https://m1.example/debian/ priority:1\n# c\nhttps://m2.example/debian/\n");
    write("etc/apt/sources.list", "deb mirror+file:" + list +
                                      " stable main\ndeb mirror+https://l.example/list.txt stable main\n"
                                      "deb mirror://k.example/list stable main\n");
    EXPECT_THAT(read(read_apt),
                ElementsAre("GET,HEAD https://m1.example/debian/ <- preset apt (~/etc/apt/mirrors.txt:1)",
                            "GET,HEAD https://m2.example/debian/ <- preset apt (~/etc/apt/mirrors.txt:3)",
                            HasSubstr("GET,HEAD https://l.example/list.txt <- preset apt (~/etc/apt/sources.list:2, the"),
                            HasSubstr("GET,HEAD http://k.example/list <-")));
}

TEST_F(apt_test, no_source_at_all)
{
    EXPECT_EQ(error(read_apt), "preset apt (~/etc/apt/sources.list): no package source is configured there nor in "
                               "~/etc/apt/sources.list.d");
}

} // namespace
} // namespace cofferdam::config
