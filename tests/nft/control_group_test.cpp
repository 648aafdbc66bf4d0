#include "nft/control_group.hpp"

#include <gtest/gtest.h>

namespace cofferdam::nft {
namespace {

TEST(control_group, paths_have_one_spelling)
{
    EXPECT_EQ("/", parse_control_group_path("/").value());
    EXPECT_EQ("/system.slice/ci-job-7.scope", parse_control_group_path("/system.slice/ci-job-7.scope").value());
    EXPECT_EQ("/ci.slice", parse_control_group_path("/ci.slice/").value());
    EXPECT_EQ("/a\\x2db.slice/c@1:2", parse_control_group_path("/a\\x2db.slice/c@1:2").value());
    for (const auto* odd : {"", "ci", "ci/job", "//", "/ci//job", "/ci//", "/./ci", "/ci/..", "/..", "/ci/a b", "/ci/a\"b",
                            "/ci\n", "/ci/\x01", "/ci/\xc3\xa9"})
        EXPECT_EQ(errc::malformed, parse_control_group_path(odd).error()) << odd;
}

TEST(control_group, paths_have_limits)
{
    std::string deep;
    for (std::uint32_t n = 0; n < control_group_depth_limit; ++n) deep += "/a";
    EXPECT_TRUE(parse_control_group_path(deep));
    EXPECT_EQ(errc::too_large, parse_control_group_path(deep + "/a").error());
    EXPECT_TRUE(parse_control_group_path('/' + std::string(control_group_path_limit - 1, 'a')));
    EXPECT_EQ(errc::too_large, parse_control_group_path('/' + std::string(control_group_path_limit, 'a')).error());
}

TEST(control_group, depth)
{
    EXPECT_EQ(0U, depth_of("/"));
    EXPECT_EQ(1U, depth_of("/ci"));
    EXPECT_EQ(3U, depth_of("/ci/job/step"));
}

TEST(control_group, the_mount_of_the_whole_hierarchy_is_found)
{
    const std::string other =
        "22 28 0:21 / /sys rw - sysfs sysfs rw\n30 22 0:26 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n";
    EXPECT_EQ(errc::not_found, find_control_group_mount(other).error());
    EXPECT_EQ(errc::not_found, find_control_group_mount("").error());
    const auto hybrid =
        find_control_group_mount(other + "35 30 0:31 / /sys/fs/cgroup/unified rw shared:1 master:2 - cgroup2 cgroup2 rw\n");
    EXPECT_EQ("/sys/fs/cgroup/unified", hybrid->point);
    EXPECT_EQ("/", hybrid->root);
    const std::string part = "40 22 0:31 /system.slice /mnt/a\\040b rw - cgroup2 cgroup2 rw\n";
    EXPECT_EQ("/mnt/a b", find_control_group_mount(part)->point);
    EXPECT_EQ("/system.slice", find_control_group_mount(part)->root);
    EXPECT_EQ("/sys/fs/cgroup", find_control_group_mount(part + "41 22 0:31 / /sys/fs/cgroup rw - cgroup2 none rw")->point);
    EXPECT_EQ(errc::not_found, find_control_group_mount("40 22 0:31 /../other /mnt rw - cgroup2 cgroup2 rw\n").error())
        << "outside of the cgroup namespace";
}

} // namespace
} // namespace cofferdam::nft
