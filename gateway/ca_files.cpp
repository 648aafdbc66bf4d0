#include "gateway/ca_files.hpp"

#include "tls/trust_store.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace cofferdam::gateway {
namespace {

namespace fs = std::filesystem;

/// Not through links: clients may have a hand in the folder.
bool write_anew(const std::string& path, std::string_view content)
{
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return false;
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file < 0) return false;
    ssize_t size = 0;
    while (!content.empty() && (size = ::write(file, content.data(), content.size())) > 0)
        content.remove_prefix(static_cast<std::size_t>(size));
    const bool readable = ::fchmod(file, 0644) == 0;
    return ::close(file) == 0 && readable && content.empty();
}

void replace_file(const fs::path& path, const std::string& content)
{
    const std::string fresh = path.string() + ".new";
    if (!write_anew(fresh, content) || ::rename(fresh.c_str(), path.c_str()) != 0)
        throw std::runtime_error(path.string() + ": " + std::strerror(errno));
}

} // namespace

void write_ca_files(const std::string& folder, const tls::authority& ca)
{
    std::error_code ec;
    fs::create_directories(folder, ec);
    if (ec) throw std::runtime_error(folder + ": " + ec.message());
    replace_file(fs::path(folder) / "ca.pem", ca.pem());
    replace_file(fs::path(folder) / "bundle.pem", tls::pem_bundle(tls::read_system_bundle(), ca.pem()));
}

void remove_ca_folders(const std::string& folder)
{
    constexpr std::size_t id_length = 20; // see new_identifier
    std::vector<fs::path> found;
    std::error_code ignored;
    for (const auto& each : fs::directory_iterator(folder, ignored)) {
        const auto name = each.path().filename().string();
        const bool id = name.size() == id_length && name.find_first_not_of("0123456789abcdefghijklmnopqrstuv") == name.npos;
        if (id && each.symlink_status(ignored).type() == fs::file_type::directory) found.push_back(each.path());
    }
    for (const auto& each : found) {
        for (const auto* file : {"ca.pem", "bundle.pem", "ca.pem.new", "bundle.pem.new"}) fs::remove(each / file, ignored);
        fs::remove(each, ignored); // unless there is more in it
    }
}

} // namespace cofferdam::gateway
