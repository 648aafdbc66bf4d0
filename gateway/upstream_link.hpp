#pragma once

#include "core/ip.hpp"
#include "core/reason.hpp"
#include "tls/alpn.hpp"
#include "tls/io/stream.hpp"

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

namespace cofferdam::gateway {

class flow;

/// A connection to an origin. `why` is reason::completed if it stands; over TLS it is verified then (law 6).
struct upstream_link {
    reason why = reason::internal_error;
    std::string detail; ///< which check of the certificate failed, which address refused, ...
    std::unique_ptr<tls::stream> stream;
    ip_endpoint peer;
    bool http2 = false; ///< what the origin chose by ALPN
};

/// Resolves, dials and, for `secure`, opens and verifies TLS for exactly `host`, with `offer` in ALPN.
boost::asio::awaitable<upstream_link> connect_upstream(flow& owner, std::string host, std::uint16_t port, bool secure,
                                                       tls::alpn_offer offer = tls::alpn_offer::http1);

/// Between two HTTP/1.1 requests: true if the server has ended the connection, or sent what nobody asked for.
bool is_stale(tls::stream& upstream, bool secure) noexcept;

} // namespace cofferdam::gateway
