#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

namespace cofferdam {
class ip_address;
}

namespace cofferdam::gateway {

class worker;

/// What a metrics server asks, on the worker's thread.
struct metrics_calls {
    std::function<std::string()> unready;                    ///< why the gateway is not ready; empty: it is
    std::function<bool(const ip_address& client)> may_count; ///< who may have /metrics; none: everybody
};

/// Serves GET /metrics (Prometheus text format), /healthz and /readyz on `address` ("127.0.0.1:9464", "[::1]:9464") in the
/// gateway's own namespace, on one worker. Healthy is who can write the worker's audit log; ready, who can write all logs, and of
/// whom `unready` says nothing. Throws std::runtime_error if the address can't be used. Bounded: 16 connections, 5 s each.
void serve_metrics(worker& w, const std::string& address, metrics_calls calls = {});

} // namespace cofferdam::gateway
