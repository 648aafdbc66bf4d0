#pragma once

#include "dns/io/upstream_client.hpp"
#include "dns/resolver.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string_view>

namespace cofferdam::dns {

/// Serves a job's DNS on sockets made elsewhere (in the job's network namespace), over UDP and TCP alike. Everything happens on
/// the io_context's one thread. `core` and `upstream` outlive the server; the io_context outlives all three.
class server {
public:
    struct callbacks {
        /// Called once for each query, before its answer leaves. False: the record could not be kept; the client gets SERVFAIL.
        std::function<bool(const query_facts&)> on_record;
        /// Datagrams that the kernel dropped because they came faster than they were read; nothing else is known of them. Told
        /// with the next datagram that is read, and in stop(). May be empty.
        std::function<void(std::uint32_t count)> on_lost;
        /// A coroutine ended with an exception (no memory, a broken invariant): for a log. May be empty.
        std::function<void(std::string_view what)> on_failure;
    };

    server(boost::asio::io_context& io, const settings& how, resolver& core, upstream_client& upstream, callbacks calls);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    /// Takes ownership of a bound UDP socket. Throws boost::system::system_error if it cannot be waited for.
    void serve_udp(int fd);
    /// Takes ownership of a listening TCP socket. At settings.max_tcp_connections further ones are closed at once.
    void serve_tcp(int listen_fd);

    /// Takes over a connection that was accepted for it elsewhere. `place` is kept until it ends.
    void serve_stream(boost::asio::ip::tcp::socket socket, std::shared_ptr<void> place = nullptr);

    /// Closes all sockets. Queries that still wait are recorded as refused (shutting_down).
    void stop();

    std::size_t tcp_connections() const noexcept;

private:
    friend class shared_datagrams;
    struct impl;
    std::shared_ptr<impl> impl_;
};

/// A UDP socket that several servers share: a datagram is for the server that `find` names for its source and packet mark. On the
/// io_context's one thread, which is that of the servers.
class shared_datagrams {
public:
    /// `mark`: of the packet, where the kernel tells it (want_marks()), else 0. Null: the datagram is dropped.
    using finder = std::function<std::shared_ptr<server>(const ip_address& client, std::uint32_t mark)>;

    /// Takes ownership of a bound socket. `on_lost`, `on_failure`: see server::callbacks. Throws boost::system::system_error.
    shared_datagrams(boost::asio::io_context& io, int fd, finder find, std::function<void(std::uint32_t count)> on_lost,
                     std::function<void(std::string_view what)> on_failure);
    ~shared_datagrams(); ///< stop()
    shared_datagrams(const shared_datagrams&) = delete;
    shared_datagrams& operator=(const shared_datagrams&) = delete;

    /// Asks the kernel to tell packet marks. False where it can't (before Linux 5.19), or may not (CAP_NET_ADMIN or CAP_NET_RAW).
    bool want_marks();

    void stop();

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace cofferdam::dns
