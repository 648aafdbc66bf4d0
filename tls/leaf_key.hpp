#pragma once

#include "tls/openssl.hpp"

namespace cofferdam::tls {

/// A new P-256 key for leaves, in the form of EVP_PKEY that X509_set_pubkey(3) can encode directly. Null on failure.
key_ptr make_leaf_key() noexcept;

} // namespace cofferdam::tls
