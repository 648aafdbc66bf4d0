#include "tls/system_roots.hpp"

#include "tls/openssl_error.hpp"

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>

namespace cofferdam::tls {
namespace {

/// What the roots were read from, and its state.
struct source {
    std::string file, directory;
    std::filesystem::file_time_type changed;
    std::uintmax_t size = 0;
    bool operator==(const source&) const = default;
};

std::string chosen(const char* variable, const char* otherwise)
{
    const char* value = std::getenv(variable);
    return value ? value : otherwise;
}

source current_source()
{
    source out;
    out.file = chosen(X509_get_default_cert_file_env(), X509_get_default_cert_file());
    out.directory = chosen(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
    std::error_code ignored;
    out.changed = std::filesystem::last_write_time(out.file, ignored);
    out.size = std::filesystem::file_size(out.file, ignored);
    return out;
}

void need(bool worked)
{
    if (!worked) throw openssl_failure("loading the system's roots");
}

} // namespace

std::shared_ptr<X509_STORE> system_roots()
{
    static std::mutex mutex;
    static auto& kept = *new std::shared_ptr<X509_STORE>; // never freed: OpenSSL may be gone by then
    static source kept_from;
    const std::lock_guard lock(mutex);
    const auto from = current_source();
    if (kept && kept_from == from) return kept;
    x509_store_ptr made(X509_STORE_new());
    need(made && X509_STORE_set_default_paths(made.get()) == 1);
    kept = std::move(made);
    kept_from = from;
    return kept;
}

x509_store_ptr copy_of_system_roots()
{
    const auto roots = system_roots();
    x509_store_ptr out(X509_STORE_new());
    need(out != nullptr);
    // Those of the directory are looked up when they are wanted.
    auto* directory = X509_STORE_add_lookup(out.get(), X509_LOOKUP_hash_dir());
    need(directory && X509_LOOKUP_add_dir(directory, nullptr, X509_FILETYPE_DEFAULT) == 1);
    STACK_OF(X509)* all = X509_STORE_get1_all_certs(roots.get());
    need(all != nullptr);
    bool added = true;
    for (int i = 0; i < sk_X509_num(all); ++i) added &= X509_STORE_add_cert(out.get(), sk_X509_value(all, i)) == 1;
    sk_X509_pop_free(all, X509_free);
    need(added);
    return out;
}

} // namespace cofferdam::tls
