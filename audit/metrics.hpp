#pragma once

#include "audit/record.hpp"
#include "core/reason.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace cofferdam::audit {

/// Label values. Only these ever become labels: nothing that a client sends does.
enum class connection_kind : std::uint8_t { tcp, tls, http, udp, icmp, other };
enum class verdict_label : std::uint8_t { allow, deny };
enum class http_version : std::uint8_t { http1, http2 };
enum class byte_direction : std::uint8_t { sent, received };
enum class leaf_cache : std::uint8_t { hit, miss };
enum class upstream_source : std::uint8_t { dialled, reused };
enum class packet_verdict : std::uint8_t { accept, drop, reject, overflow, answer };

/// The kind that counts a record's protocol.
connection_kind kind_of(std::string_view protocol) noexcept;

/// The Prometheus metrics of the gateway. All calls are thread-safe and cheap (one atomic load and add); a series comes
/// into being when it is first counted. Owns its registry.
class metrics {
public:
    explicit metrics(std::string_view version);
    ~metrics();
    metrics(const metrics&) = delete;
    metrics& operator=(const metrics&) = delete;

    void connection(connection_kind kind, verdict_label action, unsigned count = 1) noexcept;
    void request(http_version protocol, verdict_label action, std::chrono::nanoseconds duration) noexcept;
    void dns_query(verdict_label action, reason why) noexcept;
    void dns_budget_alert() noexcept; ///< a domain was blocked, or the job's limit reached
    void bytes(byte_direction direction, std::uint64_t count) noexcept;
    void active_connections(int change) noexcept; ///< +1, -1
    void upstream_handshake(std::chrono::nanoseconds duration) noexcept;
    void upstream_connection(upstream_source source) noexcept;
    void leaf(leaf_cache cache) noexcept;
    void packet(packet_verdict verdict, unsigned count = 1) noexcept;
    void audit_queue_depth(std::ptrdiff_t change) noexcept; ///< of one log; the sum of all is shown
    /// +1: a log of this process can't be written; -1: it can again, or is no more.
    void audit_log_failed(int change) noexcept;
    std::size_t failed_audit_logs() const noexcept;

    /// Counts what a record says: connections, requests with their duration, DNS queries, bytes, and the record itself.
    /// For writer_hooks::written; then none of the former may be counted by hand as well.
    void observe(const record& entry) noexcept;

    /// Prometheus text exposition format 0.0.4.
    std::string render() const;
    static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace cofferdam::audit
