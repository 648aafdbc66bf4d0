#pragma once

#include "core/ip.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cofferdam::dns {

enum class answer_mode { virtual_addresses, real };

/// dns.exfiltration: how much the names of one job may say (docs/dns-guard.md). Amounts in bits.
struct budget_settings {
    std::uint32_t unknown_domain_bits = 128; ///< an unknown domain
    std::uint32_t job_bits = 224;            ///< all unknown domains together
    std::uint32_t popular_bits = 2048;       ///< a popular domain
    std::uint32_t wildcard_bits = 1024;      ///< a wildcard entry without its own dns_bits
    std::uint32_t provider_bits = 8192;      ///< a cloud provider's domain, or a wildcard entry below one
    std::uint32_t tenant_bits = 40;          ///< what customers of one provider chose, where no entry allows it: surprise alone
    std::uint32_t query_bits = 384;          ///< one query
    std::uint32_t wildcard_query_bits = 128; ///< one query below a wildcard entry without its own dns_bits, not a provider's
    std::size_t new_domains = 512;           ///< unknown domains visited by their own name or www alone
    std::size_t max_keys = 1024;             ///< domains and wildcard entries with a budget
    std::size_t max_paths = 4096;            ///< names and their suffixes that were paid
    std::size_t max_answers = 4096;          ///< (name, type) that were paid
    bool job_limit_alerts_only = false;      ///< mode audit: job_bits and tenant_bits refuse nothing
    std::size_t max_baseline = 65536;        ///< names of the baseline
    std::string baseline_file;               ///< dns.exfiltration.baseline: an accepted audit log
    std::vector<std::string> baseline;       ///< the names that it shows allowed: free
};

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
    std::size_t socket_buffer = 4U << 20;                                     ///< dns.socket_buffer: bytes, each UDP socket
    std::size_t queue_buffer = 4U << 20;                                      ///< dns.queue_buffer: bytes, each queue
    std::size_t queue_copy_range = 65531;                                     ///< dns.queue_copy_range: bytes of a packet
    std::vector<std::string> search_suffixes;                                 ///< dns.search_suffixes: answered here
    budget_settings exfiltration;                                             ///< dns.exfiltration
};

} // namespace cofferdam::dns
