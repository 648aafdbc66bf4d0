#include "dns/io/hosts_file.hpp"

#include <fstream>

namespace cofferdam::dns {

const std::vector<ip_address>* hosts_file::find(const name& which, std::chrono::steady_clock::time_point now)
{
    if (path_.empty()) return nullptr;
    if (now >= next_look_) {
        next_look_ = now + std::chrono::seconds(1);
        reload_if_changed();
    }
    if (table_.empty()) return nullptr;
    const auto at = table_.find(which.text());
    return at == table_.end() ? nullptr : &at->second;
}

void hosts_file::reload_if_changed()
{
    struct stat now_seen {};
    if (::stat(path_.c_str(), &now_seen) != 0) {
        table_.clear();
        seen_ = {};
        return;
    }
    const bool same = now_seen.st_ino == seen_.st_ino && now_seen.st_size == seen_.st_size &&
                      now_seen.st_mtim.tv_sec == seen_.st_mtim.tv_sec && now_seen.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec;
    if (same) return;
    seen_ = now_seen;
    std::ifstream in(path_, std::ios::binary);
    std::string text(max_hosts_file, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    table_ = parse_hosts(text);
}

} // namespace cofferdam::dns
