#pragma once

#include "core/ip.hpp"

#include <chrono>
#include <cstddef>
#include <vector>

namespace cofferdam::dns {

enum class answer_mode { virtual_addresses, real };

struct settings {
    answer_mode answers = answer_mode::virtual_addresses;                     ///< dns.answers
    std::vector<ip_endpoint> upstreams;                                       ///< dns.upstreams; empty: the system's resolv.conf
    ip_prefix virtual_range = ip_prefix(ip_address::v4({198, 18, 0, 0}), 15); ///< dns.virtual_range
    std::chrono::milliseconds upstream_timeout{2000};                         ///< dns.upstream_timeout
    unsigned upstream_tries = 3;                                              ///< dns.upstream_tries
    std::chrono::seconds min_ttl{5}, max_ttl{3600}, negative_ttl{30};         ///< dns.min_ttl, max_ttl, negative_ttl
    std::chrono::seconds virtual_ttl{60};                                     ///< dns.virtual_ttl
    std::size_t max_names = 16384;                                            ///< dns.max_names: bindings a job
    std::size_t max_cache = 8192;                                             ///< dns.max_cache: cached answers a job
    std::size_t max_in_flight = 1024;                                         ///< dns.max_in_flight: upstream queries at once
    std::size_t max_tcp_connections = 256;                                    ///< dns.max_tcp_connections
    std::chrono::seconds tcp_idle{10};                                        ///< dns.tcp_idle
    unsigned queues = 1;                                                      ///< dns.queues: packet queues, one thread each
    std::size_t queue_length = 16384;                                         ///< dns.queue_length: packets, each queue
    std::size_t queue_buffer = 4U << 20;                                      ///< dns.queue_buffer: bytes, each queue
    std::size_t queue_copy_range = 65531;                                     ///< dns.queue_copy_range: bytes of a packet
    unsigned unknown_domain_bits = 128, job_bits = 224;                       ///< dns.exfiltration.* (information budget)
};

} // namespace cofferdam::dns
