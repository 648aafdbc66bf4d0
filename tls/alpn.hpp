#pragma once

#include "core/result.hpp"
#include "tls/openssl.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// Application-Layer Protocol Negotiation (RFC 7301), of HTTP only.
namespace cofferdam::tls {

enum class alpn_offer : std::uint8_t {
    http1,          ///< http/1.1
    http2,          ///< h2
    http2_or_http1, ///< both, h2 preferred
    http1_or_http2, ///< both, http/1.1 preferred
};

/// What to offer an origin in place of a client that offered `client`: what it speaks, in its order. A client of HTTP/2 alone
/// can still be served by an origin of HTTP/1.1, so that is offered too.
alpn_offer offer_upstream(const std::vector<std::string>& client) noexcept;

/// Client side, before the handshake.
error_code offer_protocols(SSL& connection, alpn_offer offer) noexcept;
/// Server side, before the handshake: what this connection may choose from; the order is the client's. A client that
/// offers nothing of it gets the alert no_application_protocol. Without a call: http/1.1.
error_code accept_protocols(SSL& connection, alpn_offer offer) noexcept;
/// After the handshake.
bool chose_http2(const SSL& connection) noexcept;

/// For SSL_CTX_set_alpn_select_cb(3).
int select_protocol(SSL* connection, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned in_size, void*);

} // namespace cofferdam::tls
