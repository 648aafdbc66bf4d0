#pragma once

#include "tls/openssl.hpp"

#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace cofferdam::tls {

/// Sessions that may be resumed, each under the name it was verified for; bounded, the oldest thrown away first. Any thread.
class session_cache {
public:
    /// Keeps at most `capacity` sessions (0: none), each for at most `lifetime`.
    session_cache(std::size_t capacity, std::chrono::seconds lifetime);

    /// Takes over `session`, which was agreed on with the verified server `name`.
    void put(std::string_view name, ssl_session_ptr session);
    /// A session of exactly this name that has not expired, or null. One of TLS 1.3 is given out once (RFC 8446, C.4).
    ssl_session_ptr take(std::string_view name);
    std::size_t size() const;

private:
    struct entry {
        std::string name;
        ssl_session_ptr session;
    };
    using place = std::list<entry>::iterator;

    void erase(place which);
    bool expired(const SSL_SESSION& session) const noexcept;

    const std::size_t capacity_;
    const std::chrono::seconds lifetime_;
    mutable std::mutex mutex_;
    std::list<entry> recent_; ///< newest first; `index_` views its names
    std::unordered_multimap<std::string_view, place> index_;
};

} // namespace cofferdam::tls
