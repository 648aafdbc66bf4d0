#pragma once

#include "gateway/upstream_link.hpp"
#include "http/limits.hpp"

#include <chrono>
#include <cstdint>
#include <list>
#include <string>

namespace cofferdam::gateway {

/// What an idle connection may be used for again: exactly what it was made for.
struct upstream_purpose {
    std::string job;  ///< id
    std::string host; ///< canonical name or literal: what was judged, dialled and verified
    std::uint16_t port = 0;
    bool secure = false;
    tls::alpn_offer offer = tls::alpn_offer::http1; ///< what the origin chose HTTP/1.1 from

    friend bool operator==(const upstream_purpose&, const upstream_purpose&) = default;
};

/// HTTP/1.1 connections to origins that no client connection uses just now, verified and between two messages. For one
/// worker's thread. Bounded: the one that waited longest makes room.
class upstream_pool {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Uses limits::upstream_idle_connections (0: keeps none), upstream_idle_timeout and upstream_lifetime.
    explicit upstream_pool(const http::limits& bounds);

    /// Keeps a connection that carried whole messages only and is owed none.
    void put(upstream_purpose what, upstream_link link, time_point now);
    /// The connection of this purpose that was used last, or a link without a stream. Not one that the origin has ended, or
    /// has sent anything on, that is too old, or whose address was judged by other rules than `rules`.
    upstream_link take(const upstream_purpose& what, const policy::policy& rules, time_point now);
    /// Closes those whose time is over.
    void drop_expired(time_point now);
    /// Closes all, and keeps none from now on.
    void close() noexcept;
    std::size_t size() const noexcept { return idle_.size(); }

private:
    struct entry {
        upstream_purpose what;
        upstream_link link;
        time_point until;
    };

    std::size_t capacity_;
    std::chrono::milliseconds idle_timeout_, lifetime_;
    std::list<entry> idle_; // used last first
};

} // namespace cofferdam::gateway
