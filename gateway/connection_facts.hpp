#pragma once

#include "core/identity.hpp"
#include "policy/decision.hpp"
#include "policy/request.hpp"

#include <chrono>
#include <string>

namespace cofferdam::gateway {

/// What is known of one downstream connection, or of a packet that is refused before there is one; grows as a flow goes on.
struct connection_facts {
    std::string id; ///< connection_id of the records; empty: no flow was made
    std::chrono::system_clock::time_point began = std::chrono::system_clock::now();
    std::chrono::steady_clock::time_point began_steady = std::chrono::steady_clock::now();
    flow_source source;
    ip_endpoint destination; ///< what the client dialled (a hint, law 3)
    bool proxied = false;    ///< requests to the explicit proxy: each names its own host and port
    std::string bound_name;  ///< the name whose virtual address was dialled; empty: none
    std::string host;        ///< the name that TLS was opened for; empty on plain connections
    std::string sni, alpn;
    std::string upstream; ///< "address:port" that the gateway dialled
    /// What the policy says of the connection as far as it is known: the verdict on one that ends before it asks for anything.
    policy::decision standing;
};

/// A datagram as the policy sees it. Views the facts' source.
inline policy::connection_attempt datagram_attempt(const connection_facts& facts)
{
    policy::connection_attempt out;
    out.proto = policy::transport::udp;
    out.app = policy::application::opaque;
    out.host = facts.bound_name;
    out.destination = facts.destination;
    out.source = &facts.source;
    return out;
}

} // namespace cofferdam::gateway
