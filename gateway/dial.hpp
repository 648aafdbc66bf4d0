#pragma once

#include "core/error.hpp"
#include "core/io/coroutine.hpp"
#include "core/ip.hpp"
#include "core/reason.hpp"
#include "policy/request.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <vector>

namespace cofferdam::gateway {

class worker;

/// The addresses that may be dialled for a host; empty with the reason.
struct candidates {
    std::vector<ip_address> addresses;
    reason why = reason::completed;
    std::string detail;
};

/// Resolves `host` and leaves out what may not be dialled (see address_guard.hpp), IPv4 first.
boost::asio::awaitable<candidates> find_candidates(worker& w, std::string host, std::uint16_t port,
                                                   policy::transport proto = policy::transport::tcp);

/// Outcome of dialling an upstream. `why` is reason::completed if the socket is connected.
struct dialled {
    reason why = reason::internal_error;
    std::string detail; ///< for a person: "192.0.2.1:443: Connection refused"
    boost::asio::ip::tcp::socket socket;
    ip_endpoint peer;
};

/// Resolves `host` (canonical name, address literal, or the word "host" for the gateway's own machine) and connects.
/// The address that the client dialled plays no part (law 3). Addresses that are not public are skipped unless the
/// policy lists them or the name is not a public one; loopback, link-local and metadata addresses always need a rule.
/// Must be called on the worker's thread. Bounded by limits.connect_timeout for each address.
boost::asio::awaitable<dialled> dial(worker& w, std::string host, std::uint16_t port);

} // namespace cofferdam::gateway
