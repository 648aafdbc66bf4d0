#include "nft/io/control_group.hpp"

#include "nft/control_group.hpp"
#include "nft/io/descriptor.hpp"
#include "nft/io/netlink.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace cofferdam::nft {

result<match_control_group> find_control_group(const std::string& path)
{
    std::ifstream in("/proc/self/mountinfo", std::ios::binary);
    const std::string mountinfo{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    const auto mount = find_control_group_mount(mountinfo);
    if (!mount) return errc::unsupported;
    const descriptor directory(::open((mount->point + path).c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) return errno == ENOENT || errno == ENOTDIR ? make_error_code(errc::not_found) : last_error();
    struct statfs filesystem;
    struct stat found;
    if (::fstatfs(directory.number(), &filesystem) != 0 || ::fstat(directory.number(), &found) != 0) return last_error();
    if (filesystem.f_type != CGROUP2_SUPER_MAGIC) return errc::unsupported; // another mount covers it
    const auto whole = mount->root == "/" ? path : mount->root + path;
    match_control_group out;
    out.level = depth_of(whole);
    out.id = found.st_ino;
    out.path = whole.substr(1);
    return out;
}

} // namespace cofferdam::nft
