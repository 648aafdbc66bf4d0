#pragma once

#include "core/io/coroutine.hpp"

#include <boost/asio/io_context.hpp>

namespace cofferdam::gateway {

class job_context;

/// Starts a detached coroutine whose escaping exception is logged and counted: a defect ends its own flow, never the gateway.
void spawn_counted(boost::asio::io_context& context, job_context& job, boost::asio::awaitable<void> task);

} // namespace cofferdam::gateway
