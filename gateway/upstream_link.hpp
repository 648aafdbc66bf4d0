#pragma once

#include "core/ip.hpp"
#include "core/reason.hpp"
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
};

/// Resolves, dials and, for `secure`, opens and verifies TLS for exactly `host`.
boost::asio::awaitable<upstream_link> connect_upstream(flow& owner, std::string host, std::uint16_t port, bool secure);

} // namespace cofferdam::gateway
