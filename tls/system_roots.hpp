#pragma once

#include "tls/openssl.hpp"

#include <memory>

namespace cofferdam::tls {

using x509_store_ptr = std::unique_ptr<X509_STORE, openssl_free<X509_STORE_free>>;

/// The system's roots, as OpenSSL finds them (SSL_CERT_FILE and SSL_CERT_DIR are honoured): parsed once in a process, which takes
/// some 20 ms, and again only when the file or the variables have changed. Without any, an empty store. Thread-safe; what is
/// returned is shared and must not be changed. Throws std::runtime_error if there is no memory.
std::shared_ptr<X509_STORE> system_roots();

/// A store of the same roots that may be added to.
x509_store_ptr copy_of_system_roots();

} // namespace cofferdam::tls
