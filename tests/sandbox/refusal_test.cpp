#include "sandbox/refusal.hpp"
#include "stage.hpp"

#include <cerrno>
#include <filesystem>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class refusal_test : public testing::Test {
protected:
    void SetUp() override
    {
        std::string pattern = "/tmp/cofferdam-sysctl-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root = pattern;
        std::filesystem::create_directories(root + "/kernel");
        std::filesystem::create_directories(root + "/user");
        std::filesystem::permissions(root, std::filesystem::perms{0755});
    }
    void TearDown() override { std::filesystem::remove_all(root); }

    void set(const std::string& name, const std::string& value) const { write_to(root + "/" + name, value + "\n", ::getuid()); }

    /// What an ordinary user is told.
    std::string told(int error) const
    {
        const uid_t before = ::geteuid();
        if (before == 0 && ::seteuid(4321) != 0) return "seteuid";
        auto text = explain_refusal("namespaces", error, root);
        if (before == 0 && ::seteuid(0) != 0) return "seteuid";
        return text;
    }

    std::string root;
};

TEST_F(refusal_test, names_the_limit)
{
    set("user/max_user_namespaces", "0");
    EXPECT_THAT(told(ENOSPC), HasSubstr("sysctl -w user.max_user_namespaces="));
    EXPECT_THAT(told(ENOSPC), StartsWith("namespaces: No space left on device ("));
}

TEST_F(refusal_test, names_debians_switch)
{
    set("kernel/unprivileged_userns_clone", "0");
    EXPECT_THAT(told(EPERM), HasSubstr("sysctl -w kernel.unprivileged_userns_clone=1"));
}

TEST_F(refusal_test, names_ubuntus_switch)
{
    set("user/max_user_namespaces", "95000");
    set("kernel/unprivileged_userns_clone", "1");
    set("kernel/apparmor_restrict_unprivileged_userns", "1");
    EXPECT_THAT(told(EACCES), HasSubstr("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"));
}

TEST_F(refusal_test, guesses_nothing_about_other_errors)
{
    EXPECT_EQ(told(ENOMEM), "namespaces: Cannot allocate memory");
}

} // namespace
} // namespace cofferdam::sandbox
