#pragma once

#include "audit/settings.hpp"
#include "dns/settings.hpp"
#include "http/limits.hpp"
#include "policy/policy.hpp"
#include "tls/settings.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cofferdam::config {

/// gateway.* : bounds of the flow machinery.
struct gateway_limits {
    std::size_t max_connections = 8192; ///< limits.max_connections, downstream, a job
    std::size_t workers = 0;            ///< limits.workers; 0: one a core, at most 4
    std::chrono::milliseconds sniff_timeout{
        10000}; ///< limits.sniff_timeout: first byte, where a named server may speak first: server_first_delay
    std::chrono::milliseconds server_first_delay{
        150}; ///< limits.server_first_delay: silence after which the server is taken to speak first
    std::chrono::milliseconds connect_timeout{10'000};      ///< limits.connect_timeout
    std::size_t packet_log_buffer = 8U << 20;               ///< limits.packet_log_buffer: bytes
    std::size_t max_udp_flows = 1024;                       ///< limits.max_udp_flows, a job
    std::chrono::milliseconds udp_idle_timeout{60'000};     ///< limits.udp_idle_timeout: without a datagram either way
    std::chrono::milliseconds stream_idle_timeout{600'000}; ///< limits.stream_idle_timeout: spliced connections
};

/// One configuration file, all of it. Every value has its default here, its YAML key in the comment of its declaration, and a
/// test.
struct settings {
    policy::policy_source policy;
    dns::settings dns;
    tls::settings tls;
    http::limits http;
    audit::settings audit;
    gateway_limits limits;
    /// Of `serve`: TCP ports that the gateway listens on. On this machine's addresses they are nobody's to dial.
    std::vector<std::uint16_t> own_ports;
    std::vector<std::string> presets; ///< as named; already expanded into policy.allow
    std::vector<std::string> files;   ///< what was read, for the job record
    std::string fingerprint;          ///< SHA-256 over the files' bytes, hex
};

} // namespace cofferdam::config
