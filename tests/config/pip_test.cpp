#include "machine.hpp"

namespace cofferdam::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using pip_test = machine;

const std::string note = ", its files expected on the same origin)";

class pip_with_client : public pip_test {
protected:
    pip_with_client() { program("python3", "[ \"$1\" = -I ] && echo 'https://default.pip.example/simple files.pip.example'"); }
};

TEST_F(pip_with_client, the_default_and_its_files_are_what_pip_reports)
{
    EXPECT_THAT(
        read(read_pip),
        ElementsAre("GET,HEAD https://default.pip.example/simple/ <- preset pip (as pip reports it)",
                    "GET,HEAD https://files.pip.example/ <- preset pip (as pip reports it, its files as pip reports them)"));
}

TEST_F(pip_with_client, a_configured_index_that_is_the_default_keeps_its_files)
{
    here.environment["PIP_INDEX_URL"] = "https://default.pip.example/simple/";
    EXPECT_THAT(read(read_pip),
                ElementsAre(HasSubstr("/simple/ <- preset pip (PIP_INDEX_URL)"), HasSubstr("https://files.pip.example/")));
}

TEST_F(pip_with_client, an_extra_index_comes_beside_the_default)
{
    here.environment["PIP_EXTRA_INDEX_URL"] = "https://x.example/simple https://y.example/a/b";
    EXPECT_THAT(read(read_pip), ElementsAre(HasSubstr("default.pip"), HasSubstr("files.pip"),
                                            "GET,HEAD https://x.example/ <- preset pip (PIP_EXTRA_INDEX_URL" + note,
                                            "GET,HEAD https://y.example/ <- preset pip (PIP_EXTRA_INDEX_URL" + note));
}

TEST_F(pip_test, the_help_text_where_there_is_no_module)
{
    program("python3", "exit 1");
    program("pip",
            "echo '  -i, --index-url <url>  Base URL of the index (default'; echo '     https://help.example/simple). This'");
    EXPECT_THAT(read(read_pip), ElementsAre("GET,HEAD https://help.example/ <- preset pip (as pip reports it" + note));
}

TEST_F(pip_test, without_pip_and_without_an_index_there_is_an_error)
{
    EXPECT_THAT(error(read_pip), testing::StartsWith("preset pip: pip is not installed (or did not answer), and no pip.conf"));
}

TEST_F(pip_test, files_from_the_weakest_to_the_strongest)
{
    write("etc/pip.conf", "[global]\nindex-url = https://etc.example/simple\n");
    EXPECT_THAT(read(read_pip), ElementsAre("GET,HEAD https://etc.example/ <- preset pip (~/etc/pip.conf:2" + note));
    write("home/.pip/pip.conf", "[global]\nindex_url = https://legacy.example/simple\n");
    EXPECT_THAT(read(read_pip), ElementsAre(HasSubstr("https://legacy.example/ <- preset pip (~/home/.pip/pip.conf:2")));
    write("home/.config/pip/pip.conf", "[global]\nIndex-Url: https://user.example/simple\n");
    EXPECT_THAT(read(read_pip), ElementsAre(HasSubstr("https://user.example/")));
    here.environment["VIRTUAL_ENV"] = (base / "venv").string();
    write("venv/pip.conf", "[global]\nindex-url = https://venv.example/simple\n");
    EXPECT_THAT(read(read_pip), ElementsAre(HasSubstr("https://venv.example/")));
    here.environment["PIP_CONFIG_FILE"] = write("ci/pip.conf", "[global]\nindex-url = https://ci.example/simple\n");
    EXPECT_THAT(read(read_pip), ElementsAre(HasSubstr("https://ci.example/ <- preset pip (~/ci/pip.conf:2")));
    here.environment["PIP_INDEX_URL"] = "http://u:p@variable.example:3141/root/pypi";
    EXPECT_THAT(read(read_pip), ElementsAre("GET,HEAD http://variable.example:3141/ <- preset pip (PIP_INDEX_URL" + note));
}

TEST_F(pip_test, sections_lists_and_links)
{
    write("etc/pip.conf", "[install]\nindex-url = https://i.example/simple\nextra-index-url =\n    https://x.example/simple\n"
                          "    https://y.example/simple\nfind-links = https://l.example/wheels/index.html /opt/wheels\n"
                          "[list]\nindex-url = https://not.example/simple\n");
    EXPECT_THAT(read(read_pip),
                ElementsAre(HasSubstr("https://i.example/"), HasSubstr("https://x.example/"), HasSubstr("https://y.example/"),
                            "GET,HEAD https://l.example/wheels/ <- preset pip (~/etc/pip.conf:6)"));
}

TEST_F(pip_test, no_index_and_no_files)
{
    here.environment["PIP_NO_INDEX"] = "1";
    here.environment["PIP_FIND_LINKS"] = "/opt/wheels";
    EXPECT_THAT(read(read_pip), IsEmpty());
    here.environment.erase("PIP_NO_INDEX");
    write("etc/pip.conf", "[global]\nindex-url = https://etc.example/simple\n");
    here.environment["PIP_CONFIG_FILE"] = "/dev/null";
    EXPECT_THAT(error(read_pip), HasSubstr("pip is not installed"));
}

} // namespace
} // namespace cofferdam::config
