#pragma once

#include "core/io/coroutine.hpp"
#include "core/ip.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

namespace cofferdam::gateway {

class job_context;

/// A connection and its other end, which is known even when that has hung up already.
using accepted_handler = std::function<void(boost::asio::ip::tcp::socket, const ip_endpoint& peer)>;

/// Gives each accepted connection to `take`, until the acceptor is closed. Where there are no descriptors or no memory, the queue
/// waits. What `take` throws is counted as an internal error of the job and ends that connection only.
boost::asio::awaitable<void> accept_each(job_context& job, std::shared_ptr<boost::asio::ip::tcp::acceptor> acceptor,
                                         accepted_handler take);

/// Takes ownership of a listening socket of either family.
std::shared_ptr<boost::asio::ip::tcp::acceptor> make_acceptor(boost::asio::io_context& context, int descriptor);

} // namespace cofferdam::gateway
