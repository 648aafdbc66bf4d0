#include "sandbox/errors.hpp"
#include "sandbox/privileges.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <memory>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

// What namespaces and capabilities leave open: system calls by which the kernel, or a process outside, would act for the
// job, and those that would undo the mounts. Everything else is allowed.

namespace cofferdam::sandbox {
namespace {

using filter_context = std::unique_ptr<void, decltype(&seccomp_release)>;

void check(int result, const char* what)
{
    if (result < 0) throw_errno(std::string("seccomp: ") + what, -result);
}

/// Refuses `call` with `error`. Calls that an architecture does not know are left out by libseccomp.
template <class... Comparisons>
void refuse(void* filter, int call, int error, Comparisons... comparisons)
{
    const std::array<scmp_arg_cmp, sizeof...(comparisons) + 1> list{comparisons..., scmp_arg_cmp{}};
    check(seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(static_cast<unsigned>(error)), call, sizeof...(comparisons), list.data()),
          "adding a rule");
}

/// Compares the 32 bits that the kernel looks at: bits above them would otherwise smuggle the value past the filter.
scmp_arg_cmp argument_is(unsigned index, unsigned value)
{
    return {index, SCMP_CMP_MASKED_EQ, 0xffffffffU, value};
}

scmp_arg_cmp argument_has(unsigned index, unsigned long bits)
{
    return {index, SCMP_CMP_MASKED_EQ, bits, bits};
}

/// Other address families are not bound to the network namespace (vsock), or are mere attack surface.
void refuse_address_families(void* filter)
{
    constexpr unsigned last_known = 63;
    const auto allowed = [](unsigned family) {
        return family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK || family == AF_ALG;
    };
    for (unsigned family = 0; family <= last_known; ++family) {
        if (!allowed(family)) refuse(filter, SCMP_SYS(socket), EAFNOSUPPORT, argument_is(0, family));
    }
    refuse(filter, SCMP_SYS(socket), EAFNOSUPPORT, scmp_arg_cmp{0, SCMP_CMP_GT, last_known, 0});
    // The 32-bit multiplexer hides its arguments in memory: socketcall(SYS_SOCKET) cannot be judged.
    constexpr unsigned sys_socket = 1;
    refuse(filter, SCMP_SYS(socketcall), EAFNOSUPPORT, argument_is(0, sys_socket));
}

#if defined(__s390__)
constexpr unsigned clone_flags_argument = 1;
#else
constexpr unsigned clone_flags_argument = 0;
#endif

/// In a mount namespace of its own a process could unlink or rename a protected file: a mount point is only busy in the
/// namespaces that have the mount (rename(2), Linux 3.18). In a cgroup namespace of its own it could mount cgroup2, and
/// freeze or kill the gateway that shares its cgroup. clone3 hides its flags in memory; libc falls back to clone.
void refuse_namespaces(void* filter)
{
    for (const unsigned long flag : {static_cast<unsigned long>(CLONE_NEWNS), static_cast<unsigned long>(CLONE_NEWCGROUP)}) {
        refuse(filter, SCMP_SYS(unshare), EPERM, argument_has(0, flag));
        refuse(filter, SCMP_SYS(clone), EPERM, argument_has(clone_flags_argument, flag));
    }
    refuse(filter, SCMP_SYS(clone3), ENOSYS);
    for (const int call :
         {SCMP_SYS(mount), SCMP_SYS(umount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(open_tree), SCMP_SYS(move_mount),
          SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr)}) {
        refuse(filter, call, EPERM);
    }
}

/// A terminal shared with the caller must not be typed on (ioctl_tty(2)), nor made to signal the caller.
void refuse_terminal_tricks(void* filter)
{
    refuse(filter, SCMP_SYS(ioctl), EPERM, argument_is(1, TIOCSTI));
    refuse(filter, SCMP_SYS(ioctl), EPERM, argument_is(1, TIOCLINUX));
    refuse(filter, SCMP_SYS(fcntl), EPERM, argument_is(1, 10)); // F_SETSIG: SIGKILL instead of SIGIO
    refuse(filter, SCMP_SYS(fcntl64), EPERM, argument_is(1, 10));
}

void refuse_kernel_services(void* filter)
{
    // request_key runs a program outside (dns_resolver keys: a query to the world); keyrings are the caller's.
    for (const int call : {SCMP_SYS(request_key), SCMP_SYS(add_key), SCMP_SYS(keyctl), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
                           SCMP_SYS(open_by_handle_at), SCMP_SYS(userfaultfd), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load),
                           SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(swapon),
                           SCMP_SYS(swapoff), SCMP_SYS(reboot), SCMP_SYS(acct), SCMP_SYS(iopl), SCMP_SYS(ioperm)}) {
        refuse(filter, call, EPERM);
    }
    // io_uring makes sockets and ioctls that no filter sees. Programs take ENOSYS as "an old kernel".
    for (const int call : {SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register)}) {
        refuse(filter, call, ENOSYS);
    }
}

void add_architectures(void* filter)
{
    check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)), "bad architectures");
    check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "binary tree");
    const auto add = [filter](std::uint32_t arch) {
        const int result = seccomp_arch_add(filter, arch);
        if (result != -EEXIST) check(result, "adding an architecture");
    };
    if (seccomp_arch_native() == SCMP_ARCH_X86_64) add(SCMP_ARCH_X86);
    if (seccomp_arch_native() == SCMP_ARCH_AARCH64) add(SCMP_ARCH_ARM);
}

/// Calls that are newer than libseccomp's tables. Those that this file was not written for look as on an older kernel:
/// each new one may make namespaces, mounts or sockets in a way of its own. The numbers are the same on all architectures
/// since 403, but on those that add an offset (MIPS) or that have private calls above (ARM).
void refuse_newer_calls()
{
    constexpr std::uint32_t open_tree_attr = 467;
    constexpr std::uint32_t last_reviewed = 470; // listns, Linux 6.18
    constexpr std::uint32_t first_private = 0x0f0000;
    constexpr auto jump = [](std::uint16_t test, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
        return sock_filter{static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), yes, no, value};
    };
    constexpr auto answer = [](std::uint32_t action) { return sock_filter{BPF_RET | BPF_K, 0, 0, action}; };
    std::array program{sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0}, // seccomp_data.nr
                       jump(BPF_JEQ, open_tree_attr, 2, 0),
                       jump(BPF_JGE, first_private, 3, 0),
                       jump(BPF_JGT, last_reviewed, 1, 2),
                       answer(SECCOMP_RET_ERRNO | EPERM),
                       answer(SECCOMP_RET_ERRNO | ENOSYS),
                       answer(SECCOMP_RET_ALLOW)};
    const sock_fprog filter{program.size(), program.data()};
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0) throw_errno("seccomp: loading a filter");
}

} // namespace

void install_system_call_filter()
{
    const filter_context filter(seccomp_init(SCMP_ACT_ALLOW), &seccomp_release);
    if (!filter) throw launch_error("seccomp: out of memory");
    add_architectures(filter.get());
    refuse_address_families(filter.get());
    refuse_namespaces(filter.get());
    refuse_terminal_tricks(filter.get());
    refuse_kernel_services(filter.get());
    check(seccomp_load(filter.get()), "loading the filter");
#if !defined(__mips__)
    refuse_newer_calls();
#endif
}

} // namespace cofferdam::sandbox
