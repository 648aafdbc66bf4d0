#include "sandbox/privileges.hpp"

#include "sandbox/errors.hpp"

#include <array>
#include <cerrno>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

constexpr std::uint64_t bit(unsigned capability)
{
    return 1ULL << capability;
}

using capability_words = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

} // namespace

std::uint64_t effective_capabilities()
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    capability_words words{};
    if (::syscall(SYS_capget, &header, words.data()) != 0) throw_errno("capget");
    return words[0].effective | (static_cast<std::uint64_t>(words[1].effective) << 32);
}

std::uint64_t job_capabilities(std::uint64_t callers) noexcept
{
    constexpr auto harmless = bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH) | bit(CAP_FOWNER) |
                              bit(CAP_FSETID) | bit(CAP_KILL) | bit(CAP_SETGID) | bit(CAP_SETUID) | bit(CAP_SETPCAP) |
                              bit(CAP_SETFCAP) | bit(CAP_SYS_CHROOT) | bit(CAP_AUDIT_WRITE);
    return callers & harmless;
}

void set_capabilities(std::uint64_t kept)
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    capability_words words{};
    words[0].effective = words[0].permitted = static_cast<std::uint32_t>(kept);
    words[1].effective = words[1].permitted = static_cast<std::uint32_t>(kept >> 32);
    if (::syscall(SYS_capset, &header, words.data()) != 0) throw_errno("capset");
}

void keep_capabilities(std::uint64_t kept)
{
    // A program file with a capability that is outside the bounding set cannot be executed at all. ping has CAP_NET_RAW on
    // many systems: it must run, be refused by the network, and leave a record. no_new_privs keeps it from gaining it.
    const auto bounding = kept | bit(CAP_NET_RAW);
    for (unsigned capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
        if ((bounding & bit(capability)) != 0) continue;
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) throw_errno("dropping a capability");
    }
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) throw_errno("ambient set");
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno("no_new_privs");
    set_capabilities(kept);
}

} // namespace cofferdam::sandbox
