#pragma once

#include <memory>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace cofferdam::tls {

/// Frees what OpenSSL allocated. EVP_PKEY_free wipes an EC private key.
template <auto Free>
struct openssl_free {
    template <class T>
    void operator()(T* object) const noexcept
    {
        Free(object);
    }
};

using bio_ptr = std::unique_ptr<BIO, openssl_free<BIO_free_all>>;
using key_ptr = std::unique_ptr<EVP_PKEY, openssl_free<EVP_PKEY_free>>;
using x509_ptr = std::unique_ptr<X509, openssl_free<X509_free>>;
using ssl_ctx_ptr = std::unique_ptr<SSL_CTX, openssl_free<SSL_CTX_free>>;
using ssl_session_ptr = std::unique_ptr<SSL_SESSION, openssl_free<SSL_SESSION_free>>;
using ssl_ptr = std::unique_ptr<SSL, openssl_free<SSL_free>>;

} // namespace cofferdam::tls
