#pragma once

#include "dns/message.hpp"
#include "dns/settings.hpp"

#include <chrono>
#include <functional>
#include <unordered_map>
#include <variant>
#include <vector>

namespace cofferdam::dns {

/// Queries to the upstream servers over UDP, as a state machine: which server is asked, under which id, when the next one is,
/// and which datagrams are believed. No sockets, no clock, no randomness of its own.
///
/// A datagram answers a query if it came in on the query's socket (connected to the server that was asked, on a port that the
/// kernel chose at random), is a response, and carries the query's id and question (RFC 5452, 9.1). Nothing else changes
/// anything. A server that was silent or refused the connection is asked last for a while, so that it holds up one query
/// and not each.
class upstream_queries {
public:
    using clock = std::chrono::steady_clock;
    /// A query in flight; its number is used again after `answered`, `over_tcp` or `failed`.
    using slot = std::uint32_t;

    /// Send `datagram()` to this server.
    struct attempt {
        slot what = 0;
        std::size_t server = 0;
    };
    struct answered {
        slot what = 0;
    }; ///< the datagram just given is the answer
    struct over_tcp {
        slot what = 0;
    }; ///< the answer does not fit a datagram: ask over TCP
    struct failed {
        slot what = 0;
        error_code why; ///< errc::timed_out, or errc::closed: every server refused, failed or can't be reached
    };
    using action = std::variant<attempt, answered, over_tcp, failed>;

    /// `servers`: how many there are, in order of preference. `sockets`: numbers of sockets are below it. `random` gives 16 bits
    /// that nobody outside can foresee. Tries, time-outs and how many may be in flight come from `how`.
    upstream_queries(const settings& how, std::size_t servers, std::size_t sockets, std::function<std::uint16_t()> random);

    /// errc::exhausted at settings.max_in_flight, errc::closed without servers.
    result<attempt> ask(const question& what, clock::time_point now);
    /// The datagram for the attempt, which is from now on in flight on `socket`.
    std::vector<std::uint8_t> datagram(const attempt& of, std::size_t socket, clock::time_point now);
    /// The attempt's server has no socket: tries the next.
    action could_not_send(const attempt& what, clock::time_point now);

    /// Nothing where the datagram answers no query in flight on that socket.
    std::optional<action> on_datagram(std::size_t socket, byte_view bytes, clock::time_point now);
    /// The socket's server can't be reached (ICMP): all that is in flight on the socket goes elsewhere.
    std::vector<action> on_unreachable(std::size_t socket, clock::time_point now);
    /// What has waited for settings.upstream_timeout.
    std::vector<action> expire(clock::time_point now);
    /// When expire() is due; clock::time_point::max() if nothing is in flight.
    clock::time_point next_expiry() const noexcept;
    /// Ends everything; the slots that were in use.
    std::vector<slot> abandon();

    std::size_t in_flight() const noexcept { return in_use_; }
    std::size_t in_flight_on(std::size_t socket) const noexcept { return on_socket_[socket]; }

private:
    static constexpr slot none = ~slot{0};

    struct pending {
        question what;
        std::size_t server = 0, socket = 0;
        clock::time_point sent;
        unsigned attempts = 0;     // begun
        std::size_t unwilling = 0; // servers that answered SERVFAIL, REFUSED or NOTIMP
        std::uint16_t id = 0;
        bool used = false, waiting = false, with_edns = true;
        bool heard = false;               // by a server, as far as we know
        slot before = none, after = none; // of those that wait, by time
    };
    struct server_state {
        clock::time_point last_answer, rests_until;
    };

    static std::uint32_t key_of(std::size_t socket, std::uint16_t id) noexcept
    {
        return static_cast<std::uint32_t>(socket << 16 | id);
    }
    std::size_t choose(clock::time_point now);
    std::size_t next_after(std::size_t server, clock::time_point now) const noexcept;
    action retry(slot which, error_code otherwise, clock::time_point now);
    action refused(slot which, clock::time_point now);
    void stop_waiting(pending& p, slot which) noexcept;
    void release(slot which) noexcept;
    void append(slot which) noexcept;

    std::chrono::milliseconds timeout_;
    unsigned tries_;
    std::size_t max_in_flight_;
    std::function<std::uint16_t()> random_;
    std::vector<server_state> servers_;
    std::vector<pending> pending_;
    std::vector<slot> free_;
    std::vector<std::size_t> on_socket_;
    std::unordered_map<std::uint32_t, slot> by_id_; // socket and id
    slot first_ = none, last_ = none;
    std::size_t in_use_ = 0;
};

} // namespace cofferdam::dns
