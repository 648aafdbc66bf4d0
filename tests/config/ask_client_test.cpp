#include "machine.hpp"

namespace cofferdam::config {
namespace {

using ask_client_test = machine;
using std::chrono::steady_clock;

TEST_F(ask_client_test, outputs_status_and_environment)
{
    program("client", "echo \"$1-$HOME-$EXTRA\"; echo wrong >&2; pwd; exit 3");
    const auto said = ask_client(here, "client", {"a b"}, {{"EXTRA", "x"}});
    ASSERT_TRUE(said);
    EXPECT_EQ(said->status, 3);
    EXPECT_EQ(said->output, "a b-" + here.home.string() + "-x\n/\n"); // in "/", whatever the caller's folder is
    EXPECT_EQ(said->errors, "wrong\n");
}

TEST_F(ask_client_test, a_program_that_is_not_there)
{
    EXPECT_FALSE(ask_client(here, "client", {}));
    write("bin/client", "#!/bin/sh\n"); // not executable
    EXPECT_FALSE(ask_client(here, "client", {}));
    program("broken", "");
    write("bin/broken", "#!/nonexistent/shell\n");
    const auto said = ask_client(here, "broken", {});
    ASSERT_TRUE(said);
    EXPECT_NE(said->status, 0);
}

TEST_F(ask_client_test, time_is_bounded_also_where_a_grandchild_holds_the_output)
{
    program("client", "echo early; sleep 60 & sleep 60");
    const auto begin = steady_clock::now();
    const auto said = ask_client(here, "client", {});
    EXPECT_LT(steady_clock::now() - begin, client_timeout + std::chrono::seconds(3));
    ASSERT_TRUE(said);
    EXPECT_EQ(said->status, -1);
    EXPECT_EQ(said->output, "early\n");
}

TEST_F(ask_client_test, output_is_bounded_and_there_is_no_input)
{
    program("client", "head -c 9000000 /dev/zero; cat; echo end >&2");
    const auto said = ask_client(here, "client", {});
    ASSERT_TRUE(said);
    EXPECT_EQ(said->status, 0);
    EXPECT_EQ(said->output.size(), max_client_answer);
    EXPECT_EQ(said->errors, "end\n");
}

TEST_F(ask_client_test, programs_are_not_taken_from_places_that_a_job_writes_to)
{
    program("client", "echo good");
    const auto evil = [&](const std::string& folder) {
        const auto path = write(folder + "/client", "#!/bin/sh\necho evil\n");
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        return std::filesystem::path(path).parent_path().string();
    };
    const auto good = (base / "bin").string();
    const auto path = evil("project/bin") + ":" + evil("other/node_modules/.bin") + ":relative/bin::.:" + good;
    here.environment["PATH"] = path;
    EXPECT_EQ(find_program(here, "client"), base / "bin/client");
    here.folder = base; // holds the home: ~/bin and the like count again
    here.environment["PATH"] = (base / "home/bin").string() + ':' + good;
    evil("home/bin");
    EXPECT_EQ(find_program(here, "client"), base / "home/bin/client");
}

TEST_F(ask_client_test, files_are_read_if_they_are_files_and_bounded)
{
    EXPECT_EQ(read_if_there(write("home/a", "text")), "text");
    EXPECT_EQ(read_if_there(base / "home/none"), std::nullopt);
    EXPECT_EQ(read_if_there(base / "home"), std::nullopt);
    EXPECT_EQ(read_if_there("/dev/zero"), std::nullopt);
    EXPECT_THROW(read_if_there(write("home/b", "12345"), 4), config_error);
    EXPECT_EQ(read_if_there(write("home/c", "1234"), 4), "1234");
}

TEST_F(ask_client_test, surroundings_are_those_of_this_process)
{
    const auto now = surroundings::current();
    EXPECT_EQ(now.folder, std::filesystem::current_path());
    EXPECT_EQ(now.variable("PATH"), std::string(::getenv("PATH")));
    EXPECT_EQ(now.variable("COFFERDAM_SURELY_UNSET"), "");
    here.folder = "/a/b";
    EXPECT_EQ(here.folders_upwards(), (std::vector<std::filesystem::path>{"/a/b", "/a", "/"}));
    EXPECT_EQ(here.expand_home("~/x"), here.home / "x");
    EXPECT_EQ(here.expand_home("/~/x"), "/~/x");
}

} // namespace
} // namespace cofferdam::config
