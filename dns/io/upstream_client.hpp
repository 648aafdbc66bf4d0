#pragma once

#include "core/bytes.hpp"
#include "core/io/coroutine.hpp"
#include "dns/host_addresses.hpp"
#include "dns/message.hpp"
#include "dns/settings.hpp"

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace cofferdam::dns {

/// Names and records from the world outside: for the resolver (raw answers) and for dialling (addresses). Over UDP on
/// upstream_sockets; c-ares reads the system's configuration and carries what needs TCP.
/// One for each io_context, used on its thread only. It ends what is in flight when it is destroyed, and must be destroyed
/// before the io_context. The addresses it gives are what upstream says: whether they may be dialled is the caller's judgement.
class upstream_client {
public:
    struct sources {
        std::string hosts_file = "/etc/hosts"; ///< looked at first for A and AAAA; read again when it changes; empty: none
        std::string resolv_conf;               ///< empty: the system's; only where settings.upstreams is empty
    };

    /// Throws std::runtime_error, one line that names the setting, if c-ares cannot be set up.
    upstream_client(boost::asio::io_context& io, const settings& how);
    upstream_client(boost::asio::io_context& io, const settings& how, sources from);
    ~upstream_client();
    upstream_client(const upstream_client&) = delete;
    upstream_client& operator=(const upstream_client&) = delete;

    using callback = std::function<void(result<byte_view> answer)>;

    /// The raw answer to a query made of nothing but `what`, valid during the call; `done` is called exactly once, possibly
    /// before this returns, and must not destroy the client. Errors as async_query.
    void query(const question& what, callback done);
    /// The raw answer to a query that is built here from `name` (any case) and `qtype` alone: random id, lower case, EDNS without
    /// options. Equal queries in flight share one. Errors: errc::malformed (not a host-like name), errc::timed_out,
    /// errc::exhausted (settings.max_in_flight), errc::closed (all upstreams refused or failed, or the client is being
    /// destroyed).
    boost::asio::awaitable<result<std::vector<std::uint8_t>>> async_query(std::string name, std::uint16_t qtype);

    /// The addresses of `name` (or of a literal), IPv4 first, never empty. Cached for their TTL within settings' bounds, failures
    /// for a second; once IPv4 is there, IPv6 is waited for no more than 50 ms (RFC 8305, 3). Errors as async_query, and
    /// errc::not_found: no such name, or it has no address.
    boost::asio::awaitable<result<host_addresses>> async_addresses(std::string name);

    /// Datagrams and TCP queries sent upstream so far, tries included (what came from the hosts file or a cache counts not).
    std::uint64_t sent() const noexcept;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace cofferdam::dns
