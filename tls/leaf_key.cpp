// OpenSSL 3.0 puts a key made by EVP_EC_gen into a certificate by encoding and decoding it through its providers: 180 of
// the 270 microseconds of a leaf. A key that wraps an EC_KEY (deprecated, not removed, in 3.x) takes 4. Everything else about
// the two is the same: signatures are made by the provider, and freeing the key wipes its number.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tls/leaf_key.hpp"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>

namespace cofferdam::tls {

key_ptr make_leaf_key() noexcept
{
    EC_KEY* numbers = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    key_ptr key(EVP_PKEY_new());
    if (!numbers || !key || EC_KEY_generate_key(numbers) != 1 || EVP_PKEY_set1_EC_KEY(key.get(), numbers) != 1) key.reset();
    EC_KEY_free(numbers);
    return key;
}

} // namespace cofferdam::tls
