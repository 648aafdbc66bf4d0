#include "gateway/ca_files.hpp"

#include "tls/trust_store.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <sys/stat.h>

namespace cofferdam::gateway {
namespace {

namespace fs = std::filesystem;

void replace_file(const fs::path& path, const std::string& content)
{
    const fs::path fresh = path.string() + ".new";
    std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
    out << content;
    out.close();
    if (!out || ::chmod(fresh.c_str(), 0644) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0)
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

} // namespace cofferdam::gateway
