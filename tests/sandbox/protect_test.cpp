#include "stage.hpp"

#include <filesystem>
#include <gmock/gmock.h>

namespace cofferdam::sandbox {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class protect_test : public as_each_user {
protected:
    void SetUp() override
    {
        as_each_user::SetUp();
        std::filesystem::create_directories(directory + "/project/logs");
        for (const auto* part : {"/project", "/project/logs"}) {
            if (uid() != ::getuid()) {
                ASSERT_EQ(::chown((directory + part).c_str(), uid(), uid()), 0);
            }
        }
        audit = directory + "/project/logs/audit.jsonl";
        write_to(audit, "evidence\n", uid());
        guarded.protected_paths = {audit};
    }

    void TearDown() override
    {
        EXPECT_EQ(contents_of(audit), "evidence\n");
        as_each_user::TearDown();
    }

    std::string audit;
    options guarded;
};
COFFERDAM_FOR_EACH_USER(protect_test);

TEST_P(protect_test, can_be_read)
{
    EXPECT_EQ(shell("cat " + audit, guarded).output, "evidence\n");
}

TEST_P(protect_test, cannot_be_written_or_cut)
{
    EXPECT_EQ(attempt("write " + audit, guarded), "refused EROFS");
    EXPECT_EQ(attempt("truncate " + audit, guarded), "refused EROFS");
    EXPECT_EQ(attempt("chmod " + audit, guarded), "refused EROFS");
    EXPECT_EQ(attempt("reopen " + audit, guarded), "refused EROFS");
    EXPECT_THAT(attempt("write /proc/1/root" + audit, guarded), StartsWith("refused"));
    EXPECT_EQ(attempt("write /proc/self/root" + audit, guarded), "refused EROFS");
    EXPECT_EQ(attempt("write /proc/self/cwd/../../../../../../.." + audit, guarded), "refused EROFS");
}

TEST_P(protect_test, cannot_be_written_from_the_working_directory)
{
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(directory + "/project/logs");
    EXPECT_EQ(attempt("write audit.jsonl", guarded), "refused EROFS");
    EXPECT_EQ(attempt("unlink audit.jsonl", guarded), "refused EBUSY");
    EXPECT_EQ(attempt("write ../logs/audit.jsonl", guarded), "refused EROFS");
    std::filesystem::current_path(before);
}

TEST_P(protect_test, cannot_be_removed_renamed_replaced_or_linked)
{
    EXPECT_EQ(attempt("unlink " + audit, guarded), "refused EBUSY");
    EXPECT_EQ(attempt("rename " + audit + " " + audit + ".old", guarded), "refused EBUSY");
    EXPECT_EQ(shell("echo forged > " + audit + ".new; " + probe() + " rename " + audit + ".new " + audit, guarded).output,
              "refused EBUSY\n");
    EXPECT_EQ(attempt("link " + audit + " " + directory + "/other", guarded), "refused EXDEV");
    EXPECT_EQ(attempt("link-descriptor " + audit + " " + directory + "/other", guarded), "refused EXDEV");
}

TEST_P(protect_test, cannot_be_replaced_by_moving_a_directory_above)
{
    EXPECT_EQ(attempt("rename " + directory + "/project/logs " + directory + "/project/old", guarded), "refused EBUSY");
    EXPECT_EQ(attempt("rename " + directory + "/project " + directory + "/old", guarded), "refused EBUSY");
    EXPECT_THAT(attempt("rename " + directory + " " + directory + "-old", guarded), StartsWith("refused"));
}

TEST_P(protect_test, cannot_be_unlinked_from_another_mount_namespace)
{
    EXPECT_EQ(attempt("unlink-nested " + directory + "/project/logs audit.jsonl", guarded), "refused EPERM");
}

/// What the case above guards against works where nested mount namespaces are allowed: only so is it a test.
TEST_P(protect_test, control_unlinking_from_another_mount_namespace_works_without_a_job)
{
    const auto victim = directory + "/project/logs/victim";
    write_to(victim, "", uid());
    const auto command = "setpriv --reuid " + std::to_string(uid()) + " --regid " + std::to_string(uid()) + " --clear-groups " +
                         probe() + " unlink-nested " + directory + "/project/logs victim > /dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0);
    EXPECT_FALSE(std::filesystem::exists(victim));
}

TEST_P(protect_test, leaves_its_neighbours_as_they_are)
{
    // No file system border between the directories: hard links and renames work as before.
    const auto result = shell("cd " + directory + " && echo x > a && ln a project/logs/b && mv project/logs/b project/c && " +
                                  probe() + " rename project/c d",
                              guarded);
    EXPECT_EQ(result.output, "done\n");
}

TEST_P(protect_test, files_with_other_names_are_refused)
{
    std::filesystem::create_hard_link(audit, directory + "/other-name");
    EXPECT_THAT(shell("true", guarded).error, HasSubstr("has other names (hard links)"));
}

TEST_P(protect_test, missing_files_are_refused)
{
    guarded.protected_paths.push_back(directory + "/missing");
    EXPECT_THAT(shell("true", guarded).error, HasSubstr("missing: No such file"));
}

TEST_P(protect_test, says_so)
{
    EXPECT_THAT(shell("true", guarded).notes, testing::Contains("protected: " + audit));
}

} // namespace
} // namespace cofferdam::sandbox
