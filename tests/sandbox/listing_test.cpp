#include "sandbox/listing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cofferdam::sandbox {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(mountinfo, reads_a_line)
{
    const auto table =
        parse_mountinfo("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue\n");
    ASSERT_EQ(table.size(), 1U);
    EXPECT_EQ(table[0].id, 36);
    EXPECT_EQ(table[0].device, "98:0");
    EXPECT_EQ(table[0].root, "/mnt1");
    EXPECT_EQ(table[0].point, "/mnt2");
    EXPECT_EQ(table[0].options, "rw,noatime");
    EXPECT_EQ(table[0].type, "ext3");
}

TEST(mountinfo, undoes_octal_escapes)
{
    const auto table = parse_mountinfo("1 2 0:1 / /a\\040b\\134\\011c rw - tmpfs x rw\n");
    ASSERT_EQ(table.size(), 1U);
    EXPECT_EQ(table[0].point, "/a b\\\tc");
}

TEST(mountinfo, leaves_out_what_it_does_not_understand)
{
    EXPECT_THAT(parse_mountinfo("x 2 0:1 / /a rw - tmpfs x rw\n1 2 0:1 / a rw - tmpfs\n1 2 0:1 / /a rw\n\n"), IsEmpty());
}

TEST(unix_sockets, keeps_pathnames_only)
{
    const auto paths = parse_unix_sockets("Num       RefCount Protocol Flags    Type St Inode Path\n"
                                          "0000000000000000: 00000002 00000000 00010000 0001 01 16340 /run/docker.sock\n"
                                          "0000000000000000: 00000003 00000000 00000000 0001 03 16341\n"
                                          "0000000000000000: 00000003 00000000 00000000 0001 03 16342 @/tmp/abstract\n"
                                          "0000000000000000: 00000003 00000000 00000000 0001 03 16342 relative/x\n"
                                          "0000000000000000: 00000002 00000000 00010000 0001 01 16343 /tmp/with blank\n"
                                          "0000000000000000: 00000003 00000000 00000000 0001 03 16344 /run/docker.sock\n");
    EXPECT_THAT(paths, ElementsAre("/run/docker.sock", "/tmp/with blank"));
}

TEST(id_map, shows_the_callers_ids_as_themselves)
{
    EXPECT_EQ(identity_map("         0          0 4294967295\n"), "0 0 4294967295\n");
    EXPECT_EQ(identity_map("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65536\n");
    EXPECT_EQ(identity_map("0 1000\n"), "");
    EXPECT_EQ(identity_map("0 1000 99999999999\n"), "");
}

TEST(paths, within_is_by_component)
{
    EXPECT_TRUE(is_within("/a/b", "/a"));
    EXPECT_TRUE(is_within("/a", "/a"));
    EXPECT_TRUE(is_within("/a", "/"));
    EXPECT_FALSE(is_within("/ab", "/a"));
    EXPECT_FALSE(is_within("/", "/a"));
}

TEST(paths, aliases_follow_the_file_system)
{
    const mount_entry root{1, "8:1", "/", "/", "rw", "ext4"};
    const mount_entry host{2, "8:1", "/", "/host", "rw", "ext4"};
    const mount_entry part{3, "8:1", "/srv/ci", "/work", "rw", "ext4"};
    const mount_entry file{4, "8:1", "/srv/ci/audit", "/etc/x", "rw", "ext4"};
    const mount_entry other{5, "8:2", "/", "/other", "rw", "ext4"};
    const std::vector<mount_entry> table{root, host, part, file, other};
    EXPECT_THAT(aliases_of("/srv/ci/audit", root, table), ElementsAre("/etc/x", "/host/srv/ci/audit", "/work/audit"));
    EXPECT_THAT(aliases_of("/work/audit", part, table), ElementsAre("/etc/x", "/host/srv/ci/audit", "/srv/ci/audit"));
    EXPECT_THAT(aliases_of("/other/a", other, table), IsEmpty());
    EXPECT_THAT(aliases_of("/work", part, table), ElementsAre("/host/srv/ci", "/srv/ci"));
}

} // namespace
} // namespace cofferdam::sandbox
