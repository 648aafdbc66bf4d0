#include "audit/metrics.hpp"
#include "sample.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <thread>
#include <vector>

namespace cofferdam::audit {
namespace {

using testing::HasSubstr;

TEST(metrics, has_every_metric_of_the_design_and_no_other)
{
    metrics m("0.1.0");
    m.connection(connection_kind::tls, verdict_label::deny);
    m.request(http_version::http1, verdict_label::allow, std::chrono::milliseconds(3));
    m.dns_query(verdict_label::deny, reason::not_in_allow_list);
    m.bytes(byte_direction::sent, 10);
    m.active_connections(+1);
    m.upstream_handshake(std::chrono::milliseconds(12));
    m.upstream_connection(upstream_source::reused);
    m.leaf(leaf_cache::miss);
    m.packet(packet_verdict::drop);
    m.audit_queue_depth(7); // of two logs
    m.audit_queue_depth(3);
    m.audit_queue_depth(-5);
    m.audit_log_failed(1);
    m.observe(sample::job("start"));
    const auto text = m.render();
    for (const auto* line :
         {"cofferdam_connections_total{action=\"deny\",kind=\"tls\"} 1",
          "cofferdam_requests_total{action=\"allow\",protocol=\"http1\"} 1",
          "cofferdam_dns_queries_total{action=\"deny\",reason=\"not_in_allow_list\"} 1",
          "cofferdam_bytes_total{direction=\"sent\"} 10", "cofferdam_active_connections 1",
          "cofferdam_request_duration_seconds_count 1", "cofferdam_request_duration_seconds_bucket{le=\"0.005\"} 1",
          "cofferdam_upstream_handshake_seconds_count 1", "cofferdam_upstream_connections_total{source=\"reused\"} 1",
          "cofferdam_leaf_certificates_total{cache=\"miss\"} 1", "cofferdam_nfqueue_packets_total{verdict=\"drop\"} 1",
          "cofferdam_audit_records_total{type=\"job\"} 1", "cofferdam_audit_queue_depth 5", "cofferdam_audit_logs_failed 1",
          "cofferdam_build_info{version=\"0.1.0\"} 1"}) {
        EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
    }
    std::set<std::string> names;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# TYPE ")) names.insert(line.substr(7, line.find(' ', 7) - 7));
    }
    EXPECT_EQ(names.size(), 15U) << text;
}

TEST(metrics, small_families_are_there_at_zero_from_the_start)
{
    const auto text = metrics("0.1.0").render();
    for (const auto* line : {"cofferdam_connections_total{action=\"deny\",kind=\"udp\"} 0",
                             "cofferdam_requests_total{action=\"deny\",protocol=\"http1\"} 0",
                             "cofferdam_requests_total{action=\"deny\",protocol=\"http2\"} 0",
                             "cofferdam_nfqueue_packets_total{verdict=\"overflow\"} 0",
                             "cofferdam_bytes_total{direction=\"sent\"} 0", "cofferdam_dns_budget_alerts_total 0"}) {
        EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
    }
    EXPECT_THAT(text, HasSubstr("cofferdam_request_duration_seconds_count 0\n"));
}

TEST(metrics, nothing_that_a_client_sends_becomes_a_label)
{
    metrics m("0.1.0");
    auto entry = sample::connection("evil.example", "x", true);
    std::get<connection_fields>(entry.what).protocol = "evil\nprotocol";
    m.observe(entry);
    auto query = sample::dns("evil.example", true);
    query.decision.reason = "evil";
    m.observe(query);
    auto http = sample::http("evil.example");
    std::get<http_fields>(http.what).protocol = "evil";
    m.observe(http);
    const auto text = m.render();
    EXPECT_EQ(text.find("evil"), std::string::npos) << text;
    EXPECT_THAT(text, HasSubstr("cofferdam_connections_total{action=\"deny\",kind=\"other\"} 1"));
}

TEST(metrics, counts_from_many_threads)
{
    metrics m("0.1.0");
    std::vector<std::thread> pool;
    for (int t = 0; t < 4; ++t) {
        pool.emplace_back([&m] {
            for (int i = 0; i < 10'000; ++i) m.observe(sample::http());
        });
    }
    for (auto& worker : pool) worker.join();
    const auto text = m.render();
    EXPECT_THAT(text, HasSubstr("cofferdam_requests_total{action=\"allow\",protocol=\"http1\"} 40000\n"));
    EXPECT_THAT(text, HasSubstr("cofferdam_bytes_total{direction=\"received\"} 16760000\n"));
}

} // namespace
} // namespace cofferdam::audit
