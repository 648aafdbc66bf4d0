#pragma once

#include "core/io/coroutine.hpp"
#include "core/reason.hpp"
#include "tls/io/stream.hpp"

#include <cstdint>

namespace cofferdam::gateway {

class flow;

struct relay_totals {
    std::uint64_t sent = 0;     ///< job -> world
    std::uint64_t received = 0; ///< world -> job
    reason why = reason::completed;
};

/// Copies both ways until both directions have ended, with half-close: the end of one direction is passed on and the
/// other goes on. Idle for limits.stream_idle_timeout ends it. Never buffers more than one block a direction.
boost::asio::awaitable<relay_totals> relay(flow& owner, tls::stream& downstream, tls::stream& upstream);
/// The same without a copy to user space (splice(2)), as long as there are descriptors for two pipes.
boost::asio::awaitable<relay_totals> relay(flow& owner, tls::plain_stream& downstream, tls::plain_stream& upstream);

} // namespace cofferdam::gateway
