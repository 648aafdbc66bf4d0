#pragma once

#include "gateway/upstream_link.hpp"
#include "http/limits.hpp"

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <string>

namespace cofferdam::gateway {

/// What an idle connection may be used for again: exactly what it was made for.
struct upstream_purpose {
    std::string job;  ///< id
    std::string host; ///< canonical name or literal: what was judged, dialled and verified
    std::uint16_t port = 0;
    bool secure = false;
    tls::alpn_offer offer = tls::alpn_offer::http1; ///< what the origin chose HTTP/1.1 from

    friend auto operator<=>(const upstream_purpose&, const upstream_purpose&) = default;
};

/// Who holds a connection for its own next request, and gives it up to another that wants one for the same purpose.
class upstream_lender {
public:
    virtual ~upstream_lender() = default;
    /// In the state that put() asks for; without a stream if it is in use.
    virtual upstream_link give_up() noexcept = 0;
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
    /// From now on, until the registration is destroyed, what `lender` holds may be taken. It outlives the registration.
    class registration {
    public:
        registration(upstream_pool& pool, upstream_purpose what, upstream_lender& lender)
            : pool_(pool), place_(pool.lenders_.emplace(std::move(what), &lender))
        {
        }
        ~registration() { pool_.lenders_.erase(place_); }
        registration(const registration&) = delete;
        registration& operator=(const registration&) = delete;

    private:
        upstream_pool& pool_;
        std::multimap<upstream_purpose, upstream_lender*>::iterator place_;
    };

    /// The connection of this purpose that was used last, else one that is lent, or a link without a stream. Not one that the
    /// origin has ended, or has sent anything on, that is too old, or whose address was judged by other rules than `rules`.
    upstream_link take(const upstream_purpose& what, const policy::policy& rules, time_point now);
    /// Closes those whose time is over.
    void drop_expired(time_point now);
    /// Closes those that are kept, to make room; false: there were none.
    bool drop_all() noexcept;
    /// Closes all, and keeps none from now on.
    void close() noexcept;
    std::size_t size() const noexcept { return idle_.size(); }

private:
    upstream_link borrow(const upstream_purpose& what, const policy::policy& rules, time_point now);
    bool usable(const upstream_link& link, const policy::policy& rules, time_point now) const;

    struct entry {
        upstream_purpose what;
        upstream_link link;
        time_point until;
    };

    std::size_t capacity_;
    std::chrono::milliseconds idle_timeout_, lifetime_;
    std::list<entry> idle_; // used last first
    std::multimap<upstream_purpose, upstream_lender*> lenders_;
};

} // namespace cofferdam::gateway
