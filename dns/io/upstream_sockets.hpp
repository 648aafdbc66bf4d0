#pragma once

#include "core/bytes.hpp"
#include "dns/message.hpp"
#include "dns/settings.hpp"

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

namespace cofferdam::dns {

/// Queries to the upstream servers over UDP, on connected sockets. Each server has several at once, opened as they are needed
/// and replaced after a while, so that its port is as hard to guess as the query's id (RFC 5452, 9.2). Queries and answers move
/// in batches. All calls on the io_context's thread; close before the io_context goes.
class upstream_sockets {
public:
    /// The answer as it came, valid during the call; or errc::timed_out, errc::closed (no server answered usefully, or close()),
    /// errc::exhausted, errc::unsupported (truncated: ask over TCP). Must not close.
    using callback = std::function<void(result<byte_view>)>;

    upstream_sockets(boost::asio::io_context& io, const settings& how, std::vector<ip_endpoint> servers);
    ~upstream_sockets();
    upstream_sockets(const upstream_sockets&) = delete;
    upstream_sockets& operator=(const upstream_sockets&) = delete;

    /// `done` is called exactly once, possibly before this returns.
    void ask(const question& what, callback done);
    /// Ends everything in flight with errc::closed; so does the destructor.
    void close();

    std::uint64_t sent() const noexcept; ///< datagrams

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace cofferdam::dns
