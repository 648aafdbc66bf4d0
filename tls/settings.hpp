#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace cofferdam::tls {

struct settings {
    std::vector<std::string> extra_roots;                ///< tls.extra_roots: PEM files, added to the system's roots
    std::string min_version = "1.2";                     ///< tls.min_version towards the upstream: "1.2" or "1.3"
    std::chrono::milliseconds handshake_timeout{10'000}; ///< tls.handshake_timeout, each side
    std::size_t max_client_hello = 65536;                ///< tls.max_client_hello
    std::size_t leaf_cache = 1024;                       ///< tls.leaf_cache: leaves kept a job
    std::chrono::milliseconds verified_for{10'000};      ///< tls.verified_for: an origin needs no new check before a leaf
    std::chrono::hours ca_lifetime{24};                  ///< tls.ca_lifetime
    std::size_t session_cache = 256;                     ///< tls.session_cache: sessions towards origins kept a job
    std::chrono::seconds session_lifetime{3600};         ///< tls.session_lifetime, each side; 0: no resumption
};

} // namespace cofferdam::tls
