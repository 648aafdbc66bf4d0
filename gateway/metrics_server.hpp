#pragma once

#include "core/io/coroutine.hpp"

#include <functional>
#include <string>

namespace cofferdam::gateway {

class worker;

/// Why the gateway is not ready; empty: it is. Called on the worker's thread.
using readiness = std::function<std::string()>;

/// Serves GET /metrics (Prometheus text format), /healthz and /readyz on `address` ("127.0.0.1:9464", "[::1]:9464") in the
/// gateway's own namespace, on one worker. Healthy is who can write the worker's audit log; ready, who can write all logs, and of
/// whom `unready` says nothing. Throws std::runtime_error if the address can't be used. Bounded: 16 connections, 5 s each.
void serve_metrics(worker& w, const std::string& address, readiness unready = {});

} // namespace cofferdam::gateway
