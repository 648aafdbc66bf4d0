#include "stage.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class isolation_test : public as_each_user {};
COFFERDAM_FOR_EACH_USER(isolation_test);

TEST_P(isolation_test, has_no_way_to_any_network)
{
    EXPECT_EQ(attempt("connect-inet 192.0.2.1"), "refused ENETUNREACH");
    EXPECT_EQ(shell("ls /proc/sys/net/ipv4/conf").output, "all\ndefault\nlo\n");
}

TEST_P(isolation_test, sees_no_process_but_its_own)
{
    const auto result = shell("for d in /proc/[0-9]*; do echo ${d#/proc/}; done | sort -n | tr '\\n' ' '");
    EXPECT_THAT(result.output, StartsWith("1 2 "));
    const auto count = std::count(result.output.begin(), result.output.end(), ' ');
    EXPECT_LE(count, 6);
}

TEST_P(isolation_test, cannot_look_into_pid_1)
{
    for (const std::string name : {"environ", "maps", "mem", "auxv"}) {
        EXPECT_THAT(attempt("read /proc/1/" + name), AnyOf("refused EACCES", "refused EPERM")) << name;
    }
    EXPECT_THAT(shell("ls /proc/1/fd /proc/1/root /proc/1/cwd/ /proc/1/map_files 2>&1 | grep -vi denied | grep -v :$").output,
                Not(HasSubstr("etc")));
    EXPECT_EQ(attempt("trace 1"), "refused EPERM");
    EXPECT_EQ(shell("nsenter -t 1 -n true; echo $?; nsenter -t 1 -m true; echo $?").output.find("0\n"), std::string::npos);
}

TEST_P(isolation_test, cannot_signal_its_gateway)
{
    // The gateway survives to report; the job's own group is what dies.
    const auto result = shell(probe() + " signal-group 9; echo not reached");
    EXPECT_EQ(result.status.signal, SIGKILL);
    EXPECT_EQ(shell(probe() + " signal-group 15 ; kill -9 1; kill -9 -1; echo alive").status.signal, SIGTERM);
    EXPECT_THAT(shell("kill -KILL 1; kill -STOP 1; kill -TERM 1; echo alive").output, HasSubstr("alive"));
}

TEST_P(isolation_test, inherits_no_descriptor)
{
    options wanted;
    wanted.command = {probe(), "descriptors"};
    const int leaked = ::open("/", O_RDONLY); // without O_CLOEXEC
    const int high = ::fcntl(leaked, F_DUPFD, 700);
    const auto result = run_as(uid(), wanted);
    ::close(leaked);
    ::close(high);
    EXPECT_EQ(result.output, "0 1 2\n");
}

TEST_P(isolation_test, has_no_privilege_to_gain)
{
    const auto status = shell("cat /proc/self/status").output;
    EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
    EXPECT_THAT(status, HasSubstr("CapAmb:\t0000000000000000"));
    EXPECT_THAT(status, HasSubstr(uid() == 0 ? "CapEff:\t00000000a00401ff" : "CapEff:\t0000000000000000"));
    EXPECT_THAT(shell("for p in su mount passwd newgrp; do f=$(command -v $p) && $f </dev/null; done; id -u").output,
                HasSubstr(std::to_string(uid())));
}

TEST_P(isolation_test, programs_with_file_capabilities_run_without_them)
{
    // Where setcap is not possible (not root), ping of the system has them or needs none.
    const auto tool = directory + "/tool";
    std::filesystem::copy_file(probe(), tool);
    if (::getuid() == 0) {
        ASSERT_EQ(std::system(("setcap cap_net_raw+ep " + tool).c_str()), 0);
    }
    EXPECT_EQ(shell(tool + " socket 2").output, "done\n");
    EXPECT_THAT(shell(tool + " raw-socket").output, StartsWith("refused EPERM"));
}

TEST_P(isolation_test, cannot_change_mounts)
{
    const auto result =
        shell("umount /dev && echo undone; mount --bind / /mnt && echo undone; mount -o remount,rw /dev && echo "
              "undone; unshare -m true && echo undone; unshare -Urm true && echo undone; unshare -Urm umount /dev "
              "&& echo undone; true");
    EXPECT_THAT(result.output, Not(HasSubstr("undone")));
    EXPECT_EQ(attempt("clone3"), "refused ENOSYS");
    EXPECT_EQ(attempt("unshare 0x20000"), "refused EPERM");    // CLONE_NEWNS
    EXPECT_EQ(attempt("unshare 0x10020000"), "refused EPERM"); // with CLONE_NEWUSER
    EXPECT_EQ(attempt("unshare 0x12000000"), "refused EPERM"); // CLONE_NEWUSER and CLONE_NEWCGROUP
}

TEST_P(isolation_test, finds_no_way_out_in_nested_namespaces)
{
    // Allowed, and leading nowhere: the new network has no route either.
    EXPECT_EQ(shell("unshare -Urn " + probe() + " connect-inet 192.0.2.1").output, "refused ENETUNREACH\n");
    EXPECT_EQ(shell("unshare -Ur " + probe() + " connect-inet 192.0.2.1").output, "refused ENETUNREACH\n");
    EXPECT_THAT(shell("unshare -Ur mount -t tmpfs none /mnt && echo undone").output, Not(HasSubstr("undone")));
    EXPECT_THAT(shell("unshare -Ur ip link add d0 type dummy && echo undone").output, Not(HasSubstr("undone")));
}

TEST_P(isolation_test, refuses_system_calls_that_act_outside)
{
    EXPECT_EQ(attempt("request-key"), "refused EPERM");
    EXPECT_EQ(attempt("io-uring"), "refused ENOSYS");
    EXPECT_EQ(attempt("setsig"), "refused EPERM");
    EXPECT_EQ(attempt("newer-call 467"), "refused EPERM"); // open_tree_attr
    EXPECT_EQ(attempt("newer-call 511"), "refused ENOSYS");
}

TEST_P(isolation_test, has_only_sockets_of_its_network)
{
    EXPECT_EQ(attempt("socket 1"), "done");
    EXPECT_EQ(attempt("socket 2"), "done");
    EXPECT_EQ(attempt("socket 10"), "done");
    for (const std::string family : {"40", "17", "0x100000028", "45", "63", "64", "1000"}) {
        EXPECT_EQ(attempt("socket " + family), "refused EAFNOSUPPORT") << family;
    }
    EXPECT_THAT(attempt("socket-32bit 40"), AnyOf("refused EAFNOSUPPORT", "refused ENOSYS"));
}

TEST_P(isolation_test, cannot_type_on_the_terminal)
{
    EXPECT_EQ(attempt("type 0"), "refused EPERM");
    EXPECT_EQ(attempt("type 0x100000000"), "refused EPERM"); // bits that the kernel does not look at
}

TEST_P(isolation_test, cannot_reach_kernel_settings)
{
    const auto before = contents_of("/proc/sys/kernel/core_pattern");
    for (const std::string path : {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches"}) {
        EXPECT_THAT(attempt("write " + path), StartsWith("refused")) << path;
    }
    EXPECT_EQ(contents_of("/proc/sys/kernel/core_pattern"), before);
    const auto writable =
        shell("find /sys -type f -exec sh -c 'for f; do [ -w \"$f\" ] && echo \"$f\"; done' sh {} + 2>/dev/null | head -3");
    EXPECT_EQ(writable.output, "");
}

TEST_P(isolation_test, cannot_make_or_open_disks)
{
    EXPECT_THAT(attempt("mknod " + directory + "/disk 0xfe00"), StartsWith("refused"));
    EXPECT_EQ(shell("find /dev -type b | head -1").output, "");
    EXPECT_THAT(attempt("chmod /dev/null"), AnyOf("refused EROFS", "refused EPERM"));
    EXPECT_EQ(shell("echo x > /dev/null && head -c 4 /dev/urandom | wc -c").output, "4\n");
    EXPECT_THAT(attempt("unlink /dev/null"), StartsWith("refused"));
}

TEST_P(isolation_test, devices_of_other_places_have_no_effect)
{
    const auto disk = directory + "/null-device";
    const bool made = ::mknod(disk.c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0;
    ASSERT_EQ(made, ::getuid() == 0);
    if (!made) return; // nobody but root can set the scene, or spoil it
    ASSERT_EQ(::chmod(disk.c_str(), 0666), 0);
    const int works_outside = ::open(disk.c_str(), O_WRONLY);
    EXPECT_GE(works_outside, 0);
    ::close(works_outside);
    EXPECT_EQ(attempt("write " + disk), "refused EACCES");
}

TEST_P(isolation_test, has_terminals_and_shared_memory_of_its_own)
{
    const auto result = shell("ls /dev/pts; touch /dev/shm/x && echo made; script -qec 'tty' /dev/null </dev/null");
    EXPECT_THAT(result.output, HasSubstr("made"));
    EXPECT_THAT(result.output, HasSubstr("/dev/pts/0"));
    EXPECT_FALSE(std::filesystem::exists("/dev/shm/x"));
}

} // namespace
} // namespace cofferdam::sandbox
