#include "gateway/attach_namespace.hpp"

#include "config/settings.hpp"
#include "gateway/capture_rules.hpp"
#include "gateway/container_process.hpp"
#include "nft/io/unplug.hpp"

#include <cerrno>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <thread>

namespace cofferdam::gateway {
namespace {

constexpr const char* needs_root = "; it takes root, or CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_PTRACE";

[[noreturn]] void fail(const std::string& what)
{
    const int why = errno;
    const bool refused = why == EPERM || why == EACCES;
    throw std::runtime_error(what + ": " + std::strerror(why) + (refused ? needs_root : ""));
}

std::string path_of(const namespace_request& request)
{
    if (!request.path.empty()) return request.path;
    const int pid = request.container.empty() ? request.pid : find_container_process(request.container);
    return "/proc/" + std::to_string(pid) + "/ns/net";
}

nft::descriptor open_namespace(const std::string& path)
{
    nft::descriptor out(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!out) fail(path);
    if (::ioctl(out.number(), NS_GET_NSTYPE) != CLONE_NEWNET)
        throw std::runtime_error(path + " is not that of a network namespace");
    struct stat its {
    }, own{};
    if (::fstat(out.number(), &its) != 0 || ::stat("/proc/self/ns/net", &own) != 0) fail(path);
    if (its.st_dev == own.st_dev && its.st_ino == own.st_ino)
        throw std::runtime_error("that is the network namespace of this command, perhaps the host's or the gateway's own; "
                                 "`intercept: local` is for a gateway that shares one with its clients");
    return out;
}

} // namespace

std::string to_string(const namespace_request& request)
{
    if (!request.path.empty()) return "netns:" + request.path;
    return request.container.empty() ? "pid:" + std::to_string(request.pid) : "container:" + request.container;
}

target_namespace::target_namespace(const namespace_request& request) : file_(open_namespace(path_of(request))) {}

void target_namespace::inside(const std::function<void()>& what) const
{
    std::exception_ptr failed;
    std::thread entered([&] {
        try {
            if (::setns(file_.number(), CLONE_NEWNET) != 0) fail("entering the network namespace");
            what();
        }
        catch (...) {
            failed = std::current_exception();
        }
    });
    entered.join();
    if (failed) std::rethrow_exception(failed);
}

nft::attached_sockets target_namespace::open_sockets() const
{
    nft::attached_sockets out;
    inside([&out] { out = nft::open_attached_sockets(socket_sizes_of(config::settings{})); });
    return out;
}

void target_namespace::unplug() const
{
    inside([] { nft::unplug_interfaces(); });
}

} // namespace cofferdam::gateway
