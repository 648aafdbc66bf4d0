#pragma once

#include "audit/record.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cofferdam::audit {

/// What one host saw. Names are bytes as the client sent them: escape before printing.
struct host_totals {
    std::string host;              ///< "host:port" for connections on unusual ports, else the host
    std::uint64_t requests = 0;    ///< HTTP transactions
    std::uint64_t connections = 0; ///< other connections (spliced, refused, failed)
    std::uint64_t queries = 0;     ///< DNS
    std::uint64_t denied = 0;      ///< of all these: refused, or what mode enforce would have refused
    std::uint64_t bytes_sent = 0, bytes_received = 0;
};

/// Equal refusals, counted.
struct refusal {
    std::string subject; ///< "GET https://evil.example/x", "dns evil.example", "tcp db.example:5432"
    std::string host;
    std::string reason, rule, hint, stage;
    std::string program;  ///< executable of the first one, if known
    std::string detail;   ///< of the first one: what exactly was found
    bool enforced = true; ///< false: mode audit let it through
    std::uint64_t count = 0;
};

/// A failure that is not a refusal: the origin could not be reached, the client distrusts the CA, ...
struct failure {
    std::string host, reason, detail;
    std::uint64_t count = 0;
};

struct summary {
    std::vector<host_totals> hosts; ///< most active first
    std::vector<refusal> refusals;  ///< in order of first appearance
    std::vector<failure> failures;
    std::uint64_t records = 0, requests = 0, connections = 0, queries = 0, alerts = 0;
    std::uint64_t denied = 0;     ///< refused
    std::uint64_t would_deny = 0; ///< let through in mode audit only
    std::uint64_t bytes_sent = 0, bytes_received = 0;
    std::uint64_t hosts_left_out = 0; ///< records whose host found no place in `hosts`
    std::uint64_t refusals_left_out = 0;
    std::string job, mode, version;
    std::vector<std::string> command, allowed_sockets;
    std::optional<int> exit_code;
    bool started = false, ended = false; ///< job records seen
    std::optional<clock::time_point> first, last;

    bool quiet() const noexcept { return requests + connections + queries + alerts == 0; }
};

/// Sums up records as they come; bounded memory, however many hosts there are. Not thread-safe: feed it from the
/// writer's thread (writer_hooks::written) or from one reader.
class aggregator {
public:
    struct bounds {
        std::size_t hosts = 1000;
        std::size_t refusals = 200;
        std::size_t failures = 50;
    };

    aggregator() = default;
    explicit aggregator(bounds limits) : limits_(limits) {}

    void add(const record& entry);
    summary result() const;

private:
    host_totals* totals_for(const std::string& host);
    void add_refusal(const record& entry, const std::string& host, bool enforced);
    void add_failure(const std::string& host, const std::string& why, const std::string& detail);
    void count(const record& entry, const std::string& host);
    void add_job(const record& entry, const job_fields& job);

    bounds limits_;
    summary sum_;
    std::map<std::string, host_totals> hosts_;
    std::map<std::string, std::size_t> refusal_index_, failure_index_;
    std::string host_; ///< memory
};

/// True where mode enforce refuses.
bool would_deny(const record& entry) noexcept;
/// `out` becomes the host that a record is about, for people: "" for alerts and jobs. It keeps its memory.
void assign_host_of(std::string& out, const record& entry);
/// "host:port", or the address dialled where no name is known.
std::string target_of(const connection_fields& connection);
/// What was attempted, in one phrase: see refusal::subject. Without query string.
std::string subject_of(const record& entry);

struct text_style {
    bool colour = false;
    std::size_t max_hosts = 10, max_refusals = 20; ///< lines; the rest is counted
};

/// For people: a few aligned lines, each ended by a newline; one line where nothing happened. Printable whatever was
/// recorded.
std::string render_text(const summary& s, const text_style& style = {});

/// "0 B", "999 B", "1.2 kB", "3.4 MB" (powers of 1000).
std::string human_bytes(std::uint64_t count);
/// The sentence of core's reason, or the token itself if it is none of ours.
std::string explain_reason(std::string_view token);
/// The same for a refusal, and its detail. Not escaped.
std::string explain(const refusal& what);

} // namespace cofferdam::audit
