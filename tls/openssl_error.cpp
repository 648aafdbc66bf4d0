#include "tls/openssl_error.hpp"

#include "core/error.hpp"

#include <array>
#include <openssl/err.h>

namespace cofferdam::tls {
namespace {

constexpr std::size_t read_at_once = 33'792; // two records with their headers

class stream_errors final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "cofferdam.tls"; }

    std::string message(int code) const override
    {
        switch (static_cast<stream_errc>(code)) {
        case stream_errc::truncated: return "closed by the peer without close_notify";
        case stream_errc::client_rejected_leaf: return "the client does not accept the gateway's certificate";
        case stream_errc::closed_after_leaf: return "the client went away after it saw the gateway's certificate";
        }
        return "unknown TLS stream error";
    }
};

class openssl_errors final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "openssl"; }

    std::string message(int code) const override
    {
        ::OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr); // once; no other call here may have come before
        const auto packed = static_cast<unsigned>(code);
        if (const char* reason = ERR_reason_error_string(packed)) return reason;
        std::array<char, 128> text{};
        ERR_error_string_n(packed, text.data(), text.size());
        return text.data();
    }
};

} // namespace

const boost::system::error_category& stream_category() noexcept
{
    static const stream_errors instance;
    return instance;
}

error_code make_error_code(stream_errc e) noexcept
{
    return {static_cast<int>(e), stream_category()};
}

const boost::system::error_category& openssl_category() noexcept
{
    static const openssl_errors instance;
    return instance;
}

error_code take_openssl_error() noexcept
{
    const auto packed = ERR_get_error();
    ERR_clear_error();
    if (packed == 0) return errc::unsupported;
    if (ERR_GET_LIB(packed) == ERR_LIB_SSL && ERR_GET_REASON(packed) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return stream_errc::truncated;
    }
    if (ERR_SYSTEM_ERROR(packed)) return {ERR_GET_REASON(packed), boost::system::system_category()};
    return {static_cast<int>(static_cast<unsigned>(packed)), openssl_category()};
}

bool is_received_alert(const error_code& e, int* number) noexcept
{
    if (e.category() != openssl_category()) return false;
    const auto packed = static_cast<unsigned>(e.value());
    const int reason = ERR_GET_REASON(packed);
    if (ERR_GET_LIB(packed) != ERR_LIB_SSL || reason < SSL_AD_REASON_OFFSET || reason > SSL_AD_REASON_OFFSET + 255) return false;
    if (number) *number = reason - SSL_AD_REASON_OFFSET;
    return true;
}

bool is_certificate_alert(const error_code& e) noexcept
{
    int number = 0;
    if (!is_received_alert(e, &number)) return false;
    switch (number) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE:
    case SSL_AD_BAD_CERTIFICATE_HASH_VALUE: return true;
    default: return false;
    }
}

openssl_failure::openssl_failure(const std::string& step) : std::runtime_error(step + ": " + take_openssl_error().message()) {}

void set_stream_modes(SSL_CTX& context) noexcept
{
    SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // One read(2) for header and body, and for several small records; without it OpenSSL reads five bytes first.
    SSL_CTX_set_read_ahead(&context, 1);
    SSL_CTX_set_default_read_buffer_len(&context, read_at_once);
    SSL_CTX_set_options(&context, SSL_OP_ENABLE_KTLS); // where the kernel has it; OpenSSL goes on by itself where not
}

} // namespace cofferdam::tls
