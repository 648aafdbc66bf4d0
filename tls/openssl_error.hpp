#pragma once

#include "core/result.hpp"
#include "tls/openssl.hpp"

#include <stdexcept>
#include <string>

namespace cofferdam::tls {

/// How a TLS stream can end besides the values of errc and the system's own codes.
enum class stream_errc {
    truncated = 1,        ///< the peer closed the connection without close_notify
    client_rejected_leaf, ///< the client sent a certificate alert (unknown_ca, bad_certificate, ...)
    closed_after_leaf,    ///< the client left after it had seen our leaf, before it sent a byte: a silent rejection, likely
};

const boost::system::error_category& stream_category() noexcept;
error_code make_error_code(stream_errc e) noexcept;

/// Values are OpenSSL's packed codes (ERR_get_error(3)), messages its reason strings.
const boost::system::error_category& openssl_category() noexcept;

/// Takes the oldest error off this thread's OpenSSL queue and clears the queue. SSL_R_UNEXPECTED_EOF_WHILE_READING
/// comes out as stream_errc::truncated. Never success: with nothing in the queue it is errc::unsupported.
error_code take_openssl_error() noexcept;

/// True if `e` is a TLS alert that the peer sent; its number is in `*number` (RFC 8446 6).
bool is_received_alert(const error_code& e, int* number = nullptr) noexcept;
/// True for the alerts with which a client says that it does not accept a certificate.
bool is_certificate_alert(const error_code& e) noexcept;

/// A step of making keys, certificates or contexts failed: "signing a leaf: <OpenSSL's reason>".
class openssl_failure : public std::runtime_error {
public:
    explicit openssl_failure(const std::string& step);
};

/// What both directions' contexts share: writes that may end early and be repeated from another buffer, buffers
/// released while idle, and reads that take more than a record from the socket at once.
void set_stream_modes(SSL_CTX& context) noexcept;

} // namespace cofferdam::tls

template <>
struct boost::system::is_error_code_enum<cofferdam::tls::stream_errc> : std::true_type {
};
