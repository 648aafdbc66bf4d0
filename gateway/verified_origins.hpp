#pragma once

#include "gateway/upstream_pool.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>

namespace cofferdam::gateway {

/// What came of dialling and verifying an origin. `why` is reason::completed if all was well.
struct origin_finding {
    reason why = reason::internal_error;
    std::string detail;
    bool http2 = false; ///< what the origin chose by ALPN
};

/// Origins that were dialled and verified just now, so that not each of a thousand connections that come at once has to do
/// it before it gets its leaf. It spares no verification of what a request goes over: that connection has its own. For one
/// worker's thread. Bounded: beyond the capacity nothing new is remembered until something is too old.
class verified_origins {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// An origin that is being dialled. Others wait for `done`, which is cancelled when it is `over`.
    struct attempt {
        explicit attempt(boost::asio::io_context& io) : done(io, time_point::max()) {}
        boost::asio::steady_timer done;
        origin_finding found;
        bool over = false;
    };

    /// `lifetime` 0: nothing is remembered, and nobody waits for another's attempt.
    verified_origins(std::size_t capacity, std::chrono::milliseconds lifetime) : capacity_(capacity), lifetime_(lifetime) {}

    /// The latest attempt, by the same rules, if it is under way, or was well and is no older than the lifetime. Else null.
    std::shared_ptr<attempt> find(const upstream_purpose& what, const policy::policy& rules, time_point now);
    /// A new attempt; each is ended. What is too old is dropped.
    std::shared_ptr<attempt> begin(boost::asio::io_context& io, const upstream_purpose& what,
                                   std::shared_ptr<const policy::policy> rules, time_point now);
    /// Tells those who wait what came of it; what failed is forgotten.
    void end(const upstream_purpose& what, attempt& made, origin_finding found, time_point now);
    /// A verification failed: whatever was found for this name and port, by whichever offer, holds no longer.
    void forget(const upstream_purpose& what);
    void close() noexcept;

private:
    struct entry {
        std::shared_ptr<attempt> latest;
        std::shared_ptr<const policy::policy> rules;
        time_point until;
    };

    std::size_t capacity_;
    std::chrono::milliseconds lifetime_;
    std::map<upstream_purpose, entry> entries_;
};

} // namespace cofferdam::gateway
