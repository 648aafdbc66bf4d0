#pragma once

#include "tls/openssl.hpp"

#include <ctime>
#include <stdexcept>
#include <string>

namespace cofferdam::tls::test {

/// What a fixture certificate says. Lists are in OpenSSL's configuration syntax (x509v3_config(5)).
struct certificate_options {
    std::string common_name = "origin.example";
    std::string alternative_names = "DNS:origin.example"; ///< empty: none
    std::string purpose = "serverAuth";                   ///< empty: none
    long from = -3600;                                    ///< seconds from now
    long to = 3600;
    bool is_ca = false;
};

struct identity {
    key_ptr key{EVP_EC_gen("P-256")};
    x509_ptr certificate;

    std::string pem() const
    {
        const bio_ptr out(BIO_new(BIO_s_mem()));
        PEM_write_bio_X509(out.get(), certificate.get());
        char* text = nullptr;
        const long size = BIO_get_mem_data(out.get(), &text);
        return {text, static_cast<std::size_t>(size)};
    }
};

inline void extend(X509* certificate, X509* issuer, int nid, const std::string& value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    if (!extension || X509_add_ext(certificate, extension, -1) != 1) throw std::runtime_error("extension " + value);
    X509_EXTENSION_free(extension);
}

/// An origin's certificate, or a root; signed by `issuer`, or by itself.
inline identity issue(const certificate_options& options, const identity* issuer = nullptr)
{
    identity out;
    out.certificate.reset(X509_new());
    auto* made = out.certificate.get();
    X509_set_version(made, X509_VERSION_3);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made), options.from);
    X509_gmtime_adj(X509_getm_notAfter(made), options.to);
    const auto* name = reinterpret_cast<const unsigned char*>(options.common_name.c_str());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8, name, -1, -1, 0);
    X509* const signer = issuer ? issuer->certificate.get() : made;
    X509_set_issuer_name(made, X509_get_subject_name(signer));
    X509_set_pubkey(made, out.key.get());
    extend(made, signer, NID_basic_constraints, options.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (!options.is_ca && !options.alternative_names.empty()) {
        extend(made, signer, NID_subject_alt_name, options.alternative_names);
    }
    if (!options.is_ca && !options.purpose.empty()) extend(made, signer, NID_ext_key_usage, options.purpose);
    X509_sign(made, issuer ? issuer->key.get() : out.key.get(), EVP_sha256());
    return out;
}

inline identity make_root(const std::string& name = "Fixture Root")
{
    certificate_options options;
    options.common_name = name;
    options.is_ca = true;
    return issue(options);
}

} // namespace cofferdam::tls::test
