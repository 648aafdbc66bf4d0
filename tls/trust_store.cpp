#include "tls/trust_store.hpp"

#include "core/error.hpp"
#include "tls/openssl.hpp"
#include "tls/openssl_error.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdexcept>

namespace cofferdam::tls {
namespace {

constexpr std::array system_bundles = {
    "/etc/ssl/certs/ca-certificates.crt",                // Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",                  // Red Hat, Fedora
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Red Hat
    "/etc/ssl/ca-bundle.pem",                            // SUSE
    "/etc/ssl/cert.pem",                                 // Alpine, BSD
};

using der_bytes = std::vector<std::uint8_t>;

void put(der_bytes& out, std::uint64_t value, unsigned width)
{
    for (unsigned i = width; i > 0; --i) out.push_back(static_cast<std::uint8_t>(value >> (8 * (i - 1))));
}

/// java.io.DataOutputStream.writeUTF of ASCII text.
void put_text(der_bytes& out, std::string_view text)
{
    put(out, text.size(), 2);
    out.insert(out.end(), text.begin(), text.end());
}

/// JDK sources, sun.security.provider.JavaKeyStore.engineStore: a trusted certificate entry.
void put_trusted(der_bytes& out, std::string_view alias, std::uint64_t milliseconds, const der_certificate& certificate)
{
    constexpr std::uint32_t trusted_certificate = 2;
    put(out, trusted_certificate, 4);
    put_text(out, alias);
    put(out, milliseconds, 8);
    put_text(out, "X.509");
    put(out, certificate.size(), 4);
    out.insert(out.end(), certificate.begin(), certificate.end());
}

/// The keyed digest at the store's end: SHA-1 of the password in UTF-16, a fixed salt, and everything before.
void put_seal(der_bytes& out, std::string_view password)
{
    der_bytes sealed;
    for (const char c : password) put(sealed, static_cast<unsigned char>(c), 2);
    const auto salt = as_bytes("Mighty Aphrodite");
    sealed.insert(sealed.end(), salt.begin(), salt.end());
    sealed.insert(sealed.end(), out.begin(), out.end());
    std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest{};
    SHA1(sealed.data(), sealed.size(), digest.data());
    out.insert(out.end(), digest.begin(), digest.end());
}

/// One block of a PEM file (RFC 7468), as OpenSSL reads it.
struct pem_block {
    struct memory_free {
        void operator()(void* memory) const noexcept { OPENSSL_free(memory); }
    };
    std::unique_ptr<char, memory_free> name;
    std::unique_ptr<unsigned char, memory_free> bytes;
    std::size_t size = 0;

    bool is_certificate() const noexcept
    {
        const std::string_view label(name.get());
        return label == PEM_STRING_X509 || label == PEM_STRING_X509_OLD || label == PEM_STRING_X509_TRUSTED;
    }
    byte_view content() const noexcept { return {bytes.get(), size}; }
};

/// False: there is none any more, or it can't be read; OpenSSL's error says which.
bool read_block(BIO& in, pem_block& out)
{
    char *name = nullptr, *header = nullptr;
    unsigned char* bytes = nullptr;
    long size = 0;
    const bool read = PEM_read_bio(&in, &name, &header, &bytes, &size) == 1;
    OPENSSL_free(header);
    out.name.reset(name);
    out.bytes.reset(bytes);
    out.size = read ? static_cast<std::size_t>(size) : 0;
    return read;
}

/// The SEQUENCE at the front: what follows a trusted certificate is OpenSSL's own. Empty if there is none that is whole.
byte_view first_element(byte_view der)
{
    const unsigned char* at = der.data();
    long size = 0;
    int tag = 0, klass = 0;
    const int form = ASN1_get_object(&at, &size, &tag, &klass, static_cast<long>(der.size()));
    if ((form & 0x80) != 0 || tag != V_ASN1_SEQUENCE || klass != V_ASN1_UNIVERSAL || size == 0) return {};
    return der.first(static_cast<std::size_t>(at - der.data() + size));
}

bio_ptr reading(std::string_view text)
{
    return bio_ptr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

} // namespace

std::optional<std::filesystem::path> find_system_bundle()
{
    if (const char* chosen = std::getenv("SSL_CERT_FILE"); chosen && *chosen) return chosen;
    for (const char* path : system_bundles) {
        std::error_code ignored;
        if (std::filesystem::is_regular_file(path, ignored)) return path;
    }
    return std::nullopt;
}

std::string read_system_bundle()
{
    const auto path = find_system_bundle();
    if (!path) return {};
    std::ifstream in(*path, std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), {});
    if (!in || text.empty()) throw std::runtime_error(path->string() + ": the system's root certificates cannot be read");
    return text;
}

std::string pem_bundle(std::string_view first, std::string_view second)
{
    std::string out(first);
    if (!out.empty() && out.back() != '\n') out += '\n';
    out += second;
    return out;
}

result<std::vector<der_certificate>> certificates_of(std::string_view pem)
{
    std::vector<der_certificate> out;
    ERR_clear_error();
    const auto in = reading(pem);
    for (pem_block block; in && read_block(*in, block);) {
        if (!block.is_certificate()) continue;
        const auto der = first_element(block.content());
        if (der.empty()) {
            ERR_clear_error();
            return errc::malformed;
        }
        out.emplace_back(der.begin(), der.end());
    }
    const auto last = ERR_peek_last_error();
    ERR_clear_error();
    if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) return errc::malformed;
    return out;
}

std::string readable_certificates(std::string_view pem)
{
    const auto in = reading(pem);
    const bio_ptr out(BIO_new(BIO_s_mem()));
    for (pem_block block; in && out && read_block(*in, block);) {
        const auto der = first_element(block.content());
        if (!block.is_certificate() || der.empty()) continue;
        PEM_write_bio(out.get(), PEM_STRING_X509, "", der.data(), static_cast<long>(der.size()));
    }
    ERR_clear_error();
    char* text = nullptr;
    const long size = out ? BIO_get_mem_data(out.get(), &text) : 0;
    return {text, static_cast<std::size_t>(size)};
}

result<std::vector<std::uint8_t>> java_trust_store(std::string_view system_pem, std::string_view ca_pem,
                                                   std::chrono::system_clock::time_point made, std::string_view password)
{
    const auto roots = certificates_of(system_pem);
    if (!roots) return roots.error();
    const auto ours = certificates_of(ca_pem);
    if (!ours) return ours.error();
    if (ours->size() != 1) return errc::malformed;
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(made.time_since_epoch());
    const auto date = static_cast<std::uint64_t>(since.count());

    der_bytes out;
    put(out, 0xFEEDFEED, 4);
    put(out, 2, 4);
    put(out, roots->size() + 1, 4);
    put_trusted(out, "cofferdam-job-ca", date, ours->front());
    for (std::size_t i = 0; i < roots->size(); ++i) put_trusted(out, "root-" + std::to_string(i + 1), date, (*roots)[i]);
    put_seal(out, password);
    return out;
}

result<std::string> subject_hash_name(std::string_view pem)
{
    const auto in = reading(pem);
    const x509_ptr certificate(in ? PEM_read_bio_X509_AUX(in.get(), nullptr, nullptr, nullptr) : nullptr);
    if (!certificate) {
        ERR_clear_error();
        return errc::malformed;
    }
    std::array<char, 16> name{};
    std::snprintf(name.data(), name.size(), "%08lx.0", X509_subject_name_hash(certificate.get()));
    return std::string(name.data());
}

} // namespace cofferdam::tls
