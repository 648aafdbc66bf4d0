#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

namespace cofferdam::gateway {

class worker;

/// Serves GET /metrics (Prometheus text format), /healthz and /readyz on `address` ("127.0.0.1:9464", "[::1]:9464") in the
/// gateway's own namespace, on one worker. Throws std::runtime_error if the address can't be used. Bounded: 16 connections,
/// 5 s each.
void serve_metrics(worker& w, const std::string& address);

} // namespace cofferdam::gateway
