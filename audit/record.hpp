#pragma once

#include "core/identity.hpp"
#include "core/reason.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace cofferdam::audit {

using clock = std::chrono::system_clock;

/// The decision as records carry it. Tokens are those of policy::to_string and core's to_string(reason).
struct decision_fields {
    std::string action; ///< "allow" or "deny": what was done
    std::string would;  ///< what mode enforce does
    std::string rule;   ///< empty: none matched
    std::string reason;
    std::string stage;  ///< "name", "connection", "request", "content"
    std::string hint;   ///< the line that would allow it; empty where allowed
    bool alert = false; ///< an alert rule matched
};

using header_fields = std::vector<std::pair<std::string, std::string>>; ///< as sent; redaction is the writer's work

/// One HTTP transaction; becomes Qtap's fields at top level (see docs, "Audit record").
struct http_fields {
    std::string method, url, scheme, path, authority;
    std::string protocol = "http1"; ///< "http1" or "http2"
    std::string request_id, connection_id;
    std::string user_agent, request_content_type, response_content_type;
    std::optional<int> status;                       ///< the status that the client got; absent if it got none
    std::optional<int> upstream_status;              ///< absent if the gateway answered
    header_fields request_headers, response_headers; ///< filled only where capture asks for it
    std::string request_body, response_body;         ///< raw; base64 in the record; bounded by capture.max_body
    bool body_truncated = false;
    std::uint64_t bytes_sent = 0, bytes_received = 0; ///< job -> world, world -> job; heads and bodies
    std::string capture = "summary";                  ///< "none", "summary", "headers", "full"
    std::string close_reason;                         ///< token of core's reason: how the exchange ended
    std::string detail;                               ///< for a person: what was wrong
};

/// What `fields` holds on to beside itself: the capacity of its strings and lists.
std::size_t memory_of(const http_fields& fields) noexcept;

struct dns_fields {
    std::string qname, qtype, transport; ///< transport: "udp" or "tcp"
    std::string rcode;
    std::vector<std::string> answers; ///< as given to the client, in text form
    std::string tier, key;            ///< information budget; empty until it is in force
    double cost_bits = 0, spent_bits = 0;
};

struct connection_fields {
    std::string protocol;    ///< "tcp", "tls", "udp", "icmp", "icmpv6", "sctp", ...
    std::string host;        ///< the name judged, if any
    std::string destination; ///< "address:port" that the client dialled
    std::string upstream;    ///< "address:port" that the gateway dialled; empty: none
    std::string sni, alpn;
    std::string connection_id;
    std::string close_reason; ///< token of core's reason
    std::string detail;       ///< for a person: which check of the certificate failed, ...
    std::uint64_t bytes_sent = 0, bytes_received = 0;
};

struct alert_fields {
    std::string name, message;
};

struct job_fields {
    std::string event;               ///< "start", "phase", "end"
    std::string mode, phase, policy; ///< policy: files and their SHA-256
    std::vector<std::string> command;
    std::vector<std::string> allowed_sockets;
    std::optional<int> exit_code;
    std::uint64_t records = 0, denied = 0; ///< at the end
    std::string version;
    std::string network; ///< at the start: by which of the kernel's means traffic is captured and queued
};

/// One decision, one record. `seq` and the chain are given by the writer.
struct record {
    clock::time_point time{}; ///< when the attempt began
    std::chrono::nanoseconds duration{0};
    std::string job;
    flow_source source;
    decision_fields decision;
    std::variant<http_fields, dns_fields, connection_fields, alert_fields, job_fields> what;
};

} // namespace cofferdam::audit
