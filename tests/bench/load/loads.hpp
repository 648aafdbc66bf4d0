// The loads that tests/bench offers.
#pragma once

#include "connection.hpp"

#include <string>
#include <vector>

namespace bench {

struct options {
    target wanted;
    std::string roots;
    std::vector<std::string> hosts; // of `cold`
    int connections = 1;
    int threads = 1;
    double seconds = 1;
    double rate = 0; // requests a second, over all connections
    bool resume = false;
};

struct outcome {
    std::vector<double> latencies; // seconds, of each answered request
    std::size_t failed = 0;
    std::size_t resumed = 0; // handshakes
    double elapsed = 0;      // seconds
    std::string error;       // of the first failure
};

/// A new connection for each request, `connections` at a time, for `seconds`; what has begun is ended.
outcome handshakes(const options& given);
/// Opens all connections, prints `open`; then one request after the other on each, for `seconds`; what has begun is ended.
outcome keep_alive(const options& given);
/// Opens all connections, prints `open`; then `rate` requests a second, whatever the answers take: latency counts from when
/// a request was due.
outcome offered(const options& given);
/// One connection and request to each of `hosts`, one after the other.
outcome cold(const options& given);
/// All connections at the same moment, one request on each; `seconds` at most.
outcome burst(const options& given);
/// Opens all connections, asking once on each, prints `open`, waits until standard input ends, asks once more.
outcome idle(const options& given);

/// A TLS server that reads uploads and answers 200; returns only if it can't begin. `certificate` holds chain and key.
int run_sink(const std::string& certificate, int port, const std::vector<std::string>& addresses);

} // namespace bench
