#pragma once

#include "core/io/coroutine.hpp"
#include "tls/client_hello.hpp"

#include <memory>

namespace cofferdam::gateway {

class flow;

/// A connection that began with a ClientHello (not consumed yet): judge the name, connect and verify the upstream, and only
/// then open TLS towards the job with a leaf for that name, and serve its requests. A refused or unreachable host gets TLS
/// with a leaf marked as the gateway's own, an explanation over HTTP, and no upstream contact after the refusal.
boost::asio::awaitable<void> run_tls(std::shared_ptr<flow> owner, tls::client_hello hello);

} // namespace cofferdam::gateway
