#include "nft/io/attribution.hpp"

#include "nft/io/descriptor.hpp"
#include "nft/sock_diag.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <dirent.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>

namespace cofferdam::nft {
namespace {

struct directory_closer {
    void operator()(DIR* d) const noexcept { ::closedir(d); }
};
using directory = std::unique_ptr<DIR, directory_closer>;

std::string link_target(int at, const char* path)
{
    std::array<char, 4096> target;
    const auto size = ::readlinkat(at, path, target.data(), target.size());
    return size < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(size));
}

/// True if a descriptor of the process is the link, "socket:[N]".
bool holds(const std::string& process, std::string_view link)
{
    const directory listing(::opendir((process + "/fd").c_str()));
    if (!listing) return false;
    std::array<char, 64> target;
    while (const auto* entry = ::readdir(listing.get())) {
        if (entry->d_name[0] == '.') continue;
        const auto size = ::readlinkat(::dirfd(listing.get()), entry->d_name, target.data(), target.size());
        if (size > 0 && std::string_view(target.data(), static_cast<std::size_t>(size)) == link) return true;
    }
    return false;
}

std::vector<std::string> read_cmdline(const std::string& process)
{
    const descriptor file(::open((process + "/cmdline").c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, cmdline_limit> text;
    const auto size = file ? ::read(file.number(), text.data(), text.size()) : -1;
    std::vector<std::string> out;
    std::string_view rest(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    while (!rest.empty() && out.size() < argument_limit) {
        const auto end = std::min(rest.find('\0'), rest.size());
        out.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return out;
}

std::optional<std::int64_t> number_of(std::string_view name)
{
    std::int64_t pid = 0;
    const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (ec != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return pid;
}

bool same(const process_identity& a, const process_identity& b)
{
    return a.pid == b.pid && a.uid == b.uid && a.exe == b.exe && a.cmdline == b.cmdline;
}

} // namespace

process_finder::process_finder(int diagnostics, process_finder_options options)
    : diagnostics_(diagnostics), options_(std::move(options))
{
}

std::optional<std::uint32_t> process_finder::inode_of(std::uint8_t transport, const ip_endpoint& client,
                                                      const ip_endpoint& dialled)
{
    const auto request = encode_socket_request({transport, client, dialled}, ++sequence_);
    if (!request) return std::nullopt;
    if (::send(diagnostics_, request->data(), request->size(), 0) < 0) return std::nullopt;
    std::array<std::uint8_t, 8192> buffer;
    for (;;) { // ends: every pass takes a datagram off the queue
        const auto size = ::recv(diagnostics_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size <= 0) return std::nullopt;
        const auto owner = decode_socket_answer({buffer.data(), static_cast<std::size_t>(size)}, sequence_);
        if (!owner && owner.error() == errc::closed) continue;
        if (!owner || owner->inode == 0) return std::nullopt;
        return owner->inode;
    }
}

bool process_finder::is_eligible(const std::string& pid) const
{
    const auto process = options_.proc + '/' + pid;
    struct stat found;
    if (options_.uid && (::stat(process.c_str(), &found) != 0 || found.st_uid != *options_.uid)) return false;
    if (!options_.pid_namespace) return true;
    return ::stat((process + "/ns/pid").c_str(), &found) == 0 && found.st_ino == *options_.pid_namespace;
}

std::int64_t process_finder::search_all(const std::string& link) const
{
    const directory listing(::opendir(options_.proc.c_str()));
    std::size_t scanned = 0;
    while (listing && scanned < scanned_process_limit) {
        const auto* entry = ::readdir(listing.get());
        if (entry == nullptr) break;
        const auto pid = number_of(entry->d_name);
        if (!pid || !is_eligible(entry->d_name)) continue;
        ++scanned;
        if (holds(options_.proc + '/' + entry->d_name, link)) return *pid;
    }
    return 0;
}

std::shared_ptr<const process_identity> process_finder::remember(std::int64_t pid)
{
    const auto process = options_.proc + '/' + std::to_string(pid);
    process_identity now;
    now.pid = pid;
    now.exe = link_target(AT_FDCWD, (process + "/exe").c_str());
    now.cmdline = read_cmdline(process);
    struct stat found;
    if (::stat(process.c_str(), &found) == 0) now.uid = found.st_uid;
    const auto known = std::find_if(recent_.begin(), recent_.end(), [&](const auto& p) { return p->pid == pid; });
    if (known != recent_.end() && same(**known, now))
        std::rotate(recent_.begin(), known, known + 1);
    else {
        if (known != recent_.end()) recent_.erase(known); // it has called exec, or the number belongs to another process now
        recent_.insert(recent_.begin(), std::make_shared<const process_identity>(std::move(now)));
        if (recent_.size() > recent_process_limit) recent_.pop_back();
    }
    return recent_.front();
}

std::shared_ptr<const process_identity> process_finder::find(std::uint8_t transport, const ip_endpoint& client,
                                                             const ip_endpoint& dialled)
{
    const auto inode = inode_of(transport, client, dialled);
    if (!inode) return nullptr;
    const auto link = "socket:[" + std::to_string(*inode) + ']';
    std::int64_t pid = 0;
    for (const auto& p : recent_) {
        const auto name = std::to_string(p->pid);
        if (!holds(options_.proc + '/' + name, link) || !is_eligible(name)) continue;
        pid = p->pid;
        break;
    }
    if (pid == 0) pid = search_all(link);
    return pid == 0 ? nullptr : remember(pid);
}

} // namespace cofferdam::nft
