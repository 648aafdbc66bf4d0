#pragma once

#include "core/io/coroutine.hpp"
#include "core/ip.hpp"
#include "core/reason.hpp"
#include "tls/alpn.hpp"
#include "tls/io/stream.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace cofferdam::policy {
class policy;
}

namespace cofferdam::gateway {

class flow;

/// A connection to an origin. `why` is reason::completed if it stands; over TLS it is verified then (law 6).
struct upstream_link {
    reason why = reason::internal_error;
    std::string detail; ///< which check of the certificate failed, which address refused, ...
    std::unique_ptr<tls::stream> stream;
    ip_endpoint peer;
    bool http2 = false;                             ///< what the origin chose by ALPN
    tls::alpn_offer offer = tls::alpn_offer::http1; ///< of this
    std::shared_ptr<const policy::policy> rules;    ///< in force when its address was judged
    std::chrono::steady_clock::time_point made;
    bool reused = false;         ///< it served another connection of the job before
    bool bound = false;          ///< it may be authenticated as somebody: not for others
    bool idle = true;            ///< between two messages: none is under way
    std::shared_ptr<void> place; ///< in connection_share, if no flow's place counts for it
};

/// A connection of HTTP/1.1 that another of this job left, or lends, to exactly this purpose, or a link without a stream.
upstream_link take_idle_upstream(flow& owner, const std::string& host, std::uint16_t port, bool secure, tls::alpn_offer offer);

/// Resolves, dials and, for `secure`, opens and verifies TLS for exactly `host`, with `offer` in ALPN.
boost::asio::awaitable<upstream_link> connect_upstream(flow& owner, std::string host, std::uint16_t port, bool secure,
                                                       tls::alpn_offer offer = tls::alpn_offer::http1);

/// Leaves `link`, made for this host and port, to the job's next connection, if it is in a state for that and there are
/// places enough; else closes it.
void release_upstream(flow& owner, const std::string& host, std::uint16_t port, bool secure, upstream_link link);

} // namespace cofferdam::gateway
