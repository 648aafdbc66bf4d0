#include "audit/metrics.hpp"

#include <array>
#include <atomic>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <utility>

namespace cofferdam::audit {
namespace {

using counter_family = prometheus::Family<prometheus::Counter>;

constexpr std::array<const char*, 6> kind_names{"tcp", "tls", "http", "udp", "icmp", "other"};
constexpr std::array<const char*, 2> action_names{"allow", "deny"};
constexpr std::array<const char*, 2> protocol_names{"http1", "http2"};
constexpr std::array<const char*, 2> direction_names{"sent", "received"};
constexpr std::array<const char*, 2> cache_names{"hit", "miss"};
constexpr std::array<const char*, 2> source_names{"dialled", "reused"};
constexpr std::array<const char*, 5> packet_names{"accept", "drop", "reject", "overflow", "answer"};
constexpr std::array<const char*, 5> type_names{"http", "dns", "connection", "alert", "job"};
constexpr std::size_t reason_count = static_cast<std::size_t>(reason::internal_error) + 1;

template <class Enum>
constexpr std::size_t index_of(Enum value) noexcept
{
    return static_cast<std::size_t>(value);
}

/// Counters of one family by the place of their label values in the enumerations. Family::Add gives the same counter
/// to every caller with the same labels, so a race to fill a place is harmless.
template <std::size_t Size>
class counter_table {
public:
    explicit counter_table(counter_family& family) noexcept : family_(family) {}

    template <class MakeLabels>
    void add(std::size_t place, double amount, MakeLabels&& labels) noexcept
    {
        auto* counter = places_[place].load(std::memory_order_acquire);
        if (!counter) {
            counter = &family_.Add(labels());
            places_[place].store(counter, std::memory_order_release);
        }
        counter->Increment(amount);
    }

private:
    counter_family& family_;
    std::array<std::atomic<prometheus::Counter*>, Size> places_{};
};

counter_family& counters(prometheus::Registry& registry, const char* name, const char* help)
{
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help,
                         const prometheus::Labels& labels = {})
{
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help)
{
    const prometheus::Histogram::BucketBoundaries seconds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                          0.5,   1,      2.5,   5,    10,    60,   300};
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(prometheus::Labels{}, seconds);
}

double in_seconds(std::chrono::nanoseconds duration) noexcept
{
    return std::chrono::duration<double>(duration).count();
}

reason reason_of(std::string_view token) noexcept
{
    for (std::size_t i = 0; i < reason_count; ++i) {
        if (to_string(static_cast<reason>(i)) == token) return static_cast<reason>(i);
    }
    return reason::internal_error;
}

} // namespace

connection_kind kind_of(std::string_view protocol) noexcept
{
    if (protocol.starts_with("icmp")) return connection_kind::icmp;
    for (std::size_t i = 0; i < kind_names.size(); ++i) {
        if (protocol == kind_names[i]) return static_cast<connection_kind>(i);
    }
    return connection_kind::other;
}

struct metrics::impl {
    prometheus::Registry registry;
    counter_table<kind_names.size() * 2> connections{
        counters(registry, "cofferdam_connections_total", "Connections of the job that were judged, by what they carried")};
    counter_table<4> requests{counters(registry, "cofferdam_requests_total", "HTTP transactions judged")};
    counter_table<reason_count * 2> queries{counters(registry, "cofferdam_dns_queries_total", "DNS queries judged")};
    counter_table<1> budget_alerts{counters(registry, "cofferdam_dns_budget_alerts_total",
                                            "Domains blocked by the DNS information budget, and jobs that reached its limit")};
    counter_table<2> bytes{
        counters(registry, "cofferdam_bytes_total", "Bytes from the job to the world (sent) and back (received)")};
    prometheus::Gauge& active = gauge(registry, "cofferdam_active_connections", "Connections open on the job's side");
    prometheus::Histogram& durations =
        histogram(registry, "cofferdam_request_duration_seconds", "From the request's first byte to the response's last");
    prometheus::Histogram& handshakes =
        histogram(registry, "cofferdam_upstream_handshake_seconds", "TCP connect and TLS handshake with the origin");
    counter_table<2> upstreams{counters(registry, "cofferdam_upstream_connections_total",
                                        "Connections to origins taken into use, by where they came from")};
    counter_table<2> leaves{
        counters(registry, "cofferdam_leaf_certificates_total", "Leaf certificates served, by cache outcome")};
    counter_table<packet_names.size()> packets{
        counters(registry, "cofferdam_nfqueue_packets_total", "Packets judged in the netfilter queue or refused by the ruleset")};
    counter_table<type_names.size()> records{counters(registry, "cofferdam_audit_records_total", "Audit records written")};
    prometheus::Gauge& depth = gauge(registry, "cofferdam_audit_queue_depth", "Audit records queued and reserved");
    prometheus::Gauge& failed_logs = gauge(registry, "cofferdam_audit_logs_failed", "Audit logs that can't be written");

    void count_request(http_version protocol, verdict_label action, double amount) noexcept
    {
        requests.add(index_of(protocol) * 2 + index_of(action), amount, [&] {
            return prometheus::Labels{{"protocol", protocol_names[index_of(protocol)]},
                                      {"action", action_names[index_of(action)]}};
        });
    }
};

metrics::metrics(std::string_view version) : impl_(std::make_unique<impl>())
{
    // Small families are there from the start, at zero, so that a rate over them has a beginning.
    for (const auto kind : {connection_kind::tcp, connection_kind::tls, connection_kind::http, connection_kind::udp}) {
        connection(kind, verdict_label::allow, 0);
        connection(kind, verdict_label::deny, 0);
    }
    for (const auto protocol : {http_version::http1, http_version::http2}) {
        impl_->count_request(protocol, verdict_label::allow, 0);
        impl_->count_request(protocol, verdict_label::deny, 0);
    }
    for (std::size_t i = 0; i < packet_names.size(); ++i) packet(static_cast<packet_verdict>(i), 0);
    bytes(byte_direction::sent, 0);
    bytes(byte_direction::received, 0);
    impl_->budget_alerts.add(0, 0, [] { return prometheus::Labels{}; });
    gauge(impl_->registry, "cofferdam_build_info", "The build that runs", {{"version", std::string(version)}}).Set(1);
}

metrics::~metrics() = default;

void metrics::connection(connection_kind kind, verdict_label action, unsigned count) noexcept
{
    impl_->connections.add(index_of(kind) * 2 + index_of(action), count, [&] {
        return prometheus::Labels{{"kind", kind_names[index_of(kind)]}, {"action", action_names[index_of(action)]}};
    });
}

void metrics::request(http_version protocol, verdict_label action, std::chrono::nanoseconds duration) noexcept
{
    impl_->count_request(protocol, action, 1);
    impl_->durations.Observe(in_seconds(duration));
}

void metrics::dns_query(verdict_label action, reason why) noexcept
{
    impl_->queries.add(index_of(why) * 2 + index_of(action), 1, [&] {
        return prometheus::Labels{{"action", action_names[index_of(action)]}, {"reason", std::string(to_string(why))}};
    });
}

void metrics::dns_budget_alert() noexcept
{
    impl_->budget_alerts.add(0, 1, [] { return prometheus::Labels{}; });
}

void metrics::bytes(byte_direction direction, std::uint64_t count) noexcept
{
    impl_->bytes.add(index_of(direction), static_cast<double>(count), [&] {
        return prometheus::Labels{{"direction", direction_names[index_of(direction)]}};
    });
}

void metrics::active_connections(int change) noexcept
{
    impl_->active.Increment(change);
}

void metrics::upstream_handshake(std::chrono::nanoseconds duration) noexcept
{
    impl_->handshakes.Observe(in_seconds(duration));
}

void metrics::upstream_connection(upstream_source source) noexcept
{
    impl_->upstreams.add(index_of(source), 1, [&] { return prometheus::Labels{{"source", source_names[index_of(source)]}}; });
}

void metrics::leaf(leaf_cache cache) noexcept
{
    impl_->leaves.add(index_of(cache), 1, [&] { return prometheus::Labels{{"cache", cache_names[index_of(cache)]}}; });
}

void metrics::packet(packet_verdict verdict, unsigned count) noexcept
{
    impl_->packets.add(index_of(verdict), count, [&] {
        return prometheus::Labels{{"verdict", packet_names[index_of(verdict)]}};
    });
}

void metrics::audit_queue_depth(std::ptrdiff_t change) noexcept
{
    impl_->depth.Increment(static_cast<double>(change));
}

void metrics::audit_log_failed(int change) noexcept
{
    impl_->failed_logs.Increment(change);
}

std::size_t metrics::failed_audit_logs() const noexcept
{
    return static_cast<std::size_t>(impl_->failed_logs.Value());
}

void metrics::observe(const record& entry) noexcept
{
    const auto type = entry.what.index();
    impl_->records.add(type, 1, [&] { return prometheus::Labels{{"type", type_names[type]}}; });
    const auto action = entry.decision.action == "deny" ? verdict_label::deny : verdict_label::allow;
    if (const auto* http = std::get_if<http_fields>(&entry.what)) {
        request(http->protocol == "http2" ? http_version::http2 : http_version::http1, action, entry.duration);
        bytes(byte_direction::sent, http->bytes_sent);
        bytes(byte_direction::received, http->bytes_received);
    }
    else if (std::holds_alternative<dns_fields>(entry.what))
        dns_query(action, reason_of(entry.decision.reason));
    else if (const auto* c = std::get_if<connection_fields>(&entry.what)) {
        connection(kind_of(c->protocol), action);
        bytes(byte_direction::sent, c->bytes_sent);
        bytes(byte_direction::received, c->bytes_received);
    }
}

std::string metrics::render() const
{
    return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

} // namespace cofferdam::audit
