// Every key of every scalar setting: its default, a value that is set and seen, and values that are refused.
#include "config/load.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

namespace cofferdam::config {
namespace {

/// One key: what it is without a file, a value, what that comes out as, and a value outside the range or of the wrong type.
struct key_case {
    const char* path;
    const char* initial;
    const char* given;
    const char* seen;
    const char* refused;
    std::function<std::string(const settings&)> get;
};

std::string text(std::size_t number)
{
    return std::to_string(number);
}
std::string text(const std::string& value)
{
    return value;
}

template <class Rep, class Period>
std::string text(std::chrono::duration<Rep, Period> time)
{
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

#define COFFERDAM_GET(member) [](const settings& s) { return text(s.member); }

const std::vector<key_case>& key_cases()
{
    static const std::vector<key_case> cases{
        {"mode", "enforce", "audit", "audit", "observe", [](const settings& s) { return std::string(to_string(s.policy.how)); }},
        {"tls.min_version", "1.2", "'1.3'", "1.3", "1.1", COFFERDAM_GET(tls.min_version)},
        {"tls.handshake_timeout", "10000", "1500ms", "1500", "99ms", COFFERDAM_GET(tls.handshake_timeout)},
        {"tls.max_client_hello", "65536", "32KiB", "32768", "2GiB", COFFERDAM_GET(tls.max_client_hello)},
        {"tls.verified_for", "10000", "0", "0", "2h", COFFERDAM_GET(tls.verified_for)},
        {"tls.leaf_cache", "1024", "7", "7", "0", COFFERDAM_GET(tls.leaf_cache)},
        {"tls.session_cache", "256", "7", "7", "-1", COFFERDAM_GET(tls.session_cache)},
        {"tls.session_lifetime", "3600000", "0", "0", "25h", COFFERDAM_GET(tls.session_lifetime)},
        {"tls.ca_lifetime", "86400000", "2h", "7200000", "59m", COFFERDAM_GET(tls.ca_lifetime)},
        {"dns.answers", "virtual", "real", "real", "both",
         [](const settings& s) { return std::string(s.dns.answers == dns::answer_mode::real ? "real" : "virtual"); }},
        {"dns.virtual_range", "198.18.0.0/15", "10.64.0.0/12", "10.64.0.0/12", "10.0.0.1/8",
         [](const settings& s) { return s.dns.virtual_range.to_string(); }},
        {"dns.upstream_timeout", "2000", "3s", "3000", "61s", COFFERDAM_GET(dns.upstream_timeout)},
        {"dns.upstream_tries", "3", "5", "5", "11", COFFERDAM_GET(dns.upstream_tries)},
        {"dns.min_ttl", "5000", "1s", "1000", "25h", COFFERDAM_GET(dns.min_ttl)},
        {"dns.max_ttl", "3600000", "10m", "600000", "1s", COFFERDAM_GET(dns.max_ttl)}, // shorter than min_ttl
        {"dns.negative_ttl", "30000", "1m", "60000", "x", COFFERDAM_GET(dns.negative_ttl)},
        {"dns.virtual_ttl", "60000", "10", "10000", "-1s", COFFERDAM_GET(dns.virtual_ttl)},
        {"dns.max_names", "16384", "64", "64", "15", COFFERDAM_GET(dns.max_names)},
        {"dns.max_cache", "8192", "16", "16", "1000001", COFFERDAM_GET(dns.max_cache)},
        {"dns.max_in_flight", "1024", "2", "2", "0", COFFERDAM_GET(dns.max_in_flight)},
        {"dns.max_tcp_connections", "256", "3", "3", "1.5", COFFERDAM_GET(dns.max_tcp_connections)},
        {"dns.tcp_idle", "10000", "20s", "20000", "2h", COFFERDAM_GET(dns.tcp_idle)},
        {"dns.queues", "1", "4", "4", "17", COFFERDAM_GET(dns.queues)},
        {"dns.queue_length", "16384", "1000", "1000", "15", COFFERDAM_GET(dns.queue_length)},
        {"dns.socket_buffer", "4194304", "1MiB", "1048576", "1KiB", COFFERDAM_GET(dns.socket_buffer)},
        {"dns.queue_buffer", "4194304", "1MiB", "1048576", "1KiB", COFFERDAM_GET(dns.queue_buffer)},
        {"dns.queue_copy_range", "65531", "9000", "9000", "1500", COFFERDAM_GET(dns.queue_copy_range)},
        {"dns.exfiltration.unknown_domain_bits", "128", "64", "64", "many", COFFERDAM_GET(dns.exfiltration.unknown_domain_bits)},
        {"dns.exfiltration.job_bits", "224", "0", "0", "-1", COFFERDAM_GET(dns.exfiltration.job_bits)},
        {"dns.exfiltration.popular_bits", "2048", "1", "1", "1000001", COFFERDAM_GET(dns.exfiltration.popular_bits)},
        {"dns.exfiltration.wildcard_bits", "1024", "512", "512", "x", COFFERDAM_GET(dns.exfiltration.wildcard_bits)},
        {"dns.exfiltration.provider_bits", "8192", "4096", "4096", "-1", COFFERDAM_GET(dns.exfiltration.provider_bits)},
        {"dns.exfiltration.tenant_bits", "40", "96", "96", "1.5", COFFERDAM_GET(dns.exfiltration.tenant_bits)},
        {"dns.exfiltration.wildcard_query_bits", "128", "256", "256", "1000001",
         COFFERDAM_GET(dns.exfiltration.wildcard_query_bits)},
        {"dns.exfiltration.query_bits", "384", "256", "256", "1000001", COFFERDAM_GET(dns.exfiltration.query_bits)},
        {"dns.exfiltration.new_domains", "512", "0", "0", "-1", COFFERDAM_GET(dns.exfiltration.new_domains)},
        {"dns.exfiltration.max_keys", "1024", "16", "16", "0", COFFERDAM_GET(dns.exfiltration.max_keys)},
        {"dns.exfiltration.max_paths", "4096", "16", "16", "0", COFFERDAM_GET(dns.exfiltration.max_paths)},
        {"dns.exfiltration.max_answers", "4096", "16", "16", "0", COFFERDAM_GET(dns.exfiltration.max_answers)},
        {"dns.exfiltration.max_baseline", "65536", "16", "16", "0", COFFERDAM_GET(dns.exfiltration.max_baseline)},
        {"http.max_head", "65536", "16KiB", "16384", "1023", COFFERDAM_GET(http.max_head)},
        {"http.max_start_line", "16384", "8192", "8192", "255", COFFERDAM_GET(http.max_start_line)},
        {"http.max_header_fields", "200", "100", "100", "7", COFFERDAM_GET(http.max_header_fields)},
        {"http.max_chunk_line", "4096", "64", "64", "1MiB", COFFERDAM_GET(http.max_chunk_line)},
        {"http.max_trailer", "16384", "0", "0", "2MB", COFFERDAM_GET(http.max_trailer)},
        {"http.max_interim_responses", "16", "0", "0", "1001", COFFERDAM_GET(http.max_interim_responses)},
        {"http.head_timeout", "30000", "5s", "5000", "2h", COFFERDAM_GET(http.head_timeout)},
        {"http.idle_timeout", "75000", "1h", "3600000", "25h", COFFERDAM_GET(http.idle_timeout)},
        {"http.body_timeout", "60000", "2m", "120000", "0", COFFERDAM_GET(http.body_timeout)},
        {"http.http2.max_streams", "100", "7", "7", "0", COFFERDAM_GET(http.http2.max_streams)},
        {"http.http2.max_frame", "16384", "1MiB", "1048576", "16MiB", COFFERDAM_GET(http.http2.max_frame)},
        {"http.http2.stream_window", "262144", "64KiB", "65536", "1KiB", COFFERDAM_GET(http.http2.stream_window)},
        {"http.http2.connection_window", "4194304", "1MiB", "1048576", "1GiB", COFFERDAM_GET(http.http2.connection_window)},
        {"http.http2.max_resets", "400", "1", "1", "0", COFFERDAM_GET(http.http2.max_resets)},
        {"http.http2.max_idle_frames", "1000", "50", "50", "0", COFFERDAM_GET(http.http2.max_idle_frames)},
        {"http.upstream_idle_connections", "64", "0", "0", "1001", COFFERDAM_GET(http.upstream_idle_connections)},
        {"http.upstream_idle_timeout", "30000", "5s", "5000", "2h", COFFERDAM_GET(http.upstream_idle_timeout)},
        {"http.upstream_hold", "2000", "5s", "5000", "0", COFFERDAM_GET(http.upstream_hold)},
        {"http.upstream_lifetime", "600000", "1m", "60000", "999ms", COFFERDAM_GET(http.upstream_lifetime)},
        {"http.response_timeout", "300000", "1s", "1000", "1ms", COFFERDAM_GET(http.response_timeout)},
        {"limits.max_connections", "8192", "9", "9", "0", COFFERDAM_GET(limits.max_connections)},
        {"limits.workers", "0", "2", "2", "257", COFFERDAM_GET(limits.workers)},
        {"limits.sniff_timeout", "10000", "20ms", "20", "9ms", COFFERDAM_GET(limits.sniff_timeout)},
        {"limits.server_first_delay", "150", "1ms", "1", "11s", COFFERDAM_GET(limits.server_first_delay)},
        {"limits.connect_timeout", "10000", "50ms", "50", "49ms", COFFERDAM_GET(limits.connect_timeout)},
        {"limits.stream_idle_timeout", "600000", "1m", "60000", "25h", COFFERDAM_GET(limits.stream_idle_timeout)},
        {"limits.packet_log_buffer", "8388608", "1MiB", "1048576", "257MiB", COFFERDAM_GET(limits.packet_log_buffer)},
        {"limits.max_udp_flows", "1024", "1", "1", "0", COFFERDAM_GET(limits.max_udp_flows)},
        {"limits.udp_idle_timeout", "60000", "100ms", "100", "99ms", COFFERDAM_GET(limits.udp_idle_timeout)},
        {"capture.default", "summary", "none", "none", "all",
         [](const settings& s) { return std::string(to_string(s.policy.capture_default)); }},
        {"capture.denied", "full", "headers", "headers", "all",
         [](const settings& s) { return std::string(to_string(s.policy.capture_denied)); }},
        {"capture.max_body", "65536", "1MiB", "1048576", "1GiB", COFFERDAM_GET(audit.max_body)},
        {"audit.queue_records", "32768", "16", "16", "15", COFFERDAM_GET(audit.queue_records)},
        {"audit.queue_bytes", "16777216", "1MB", "1000000", "1KiB", COFFERDAM_GET(audit.queue_bytes)},
        {"audit.max_record_bytes", "1048576", "4kB", "", "", nullptr}, // 4000: below the least, see below
    };
    return cases;
}

#undef COFFERDAM_GET

/// "a.b.c" and "v" as YAML below the version; the value stands in line 2 + (depth - 1).
std::string yaml_of(const std::string& path, const std::string& value)
{
    std::string out = "version: 1\n", indent;
    std::istringstream parts(path);
    std::string part, last;
    while (std::getline(parts, part, '.')) {
        if (!last.empty()) {
            out += indent + last + ":\n";
            indent += "  ";
        }
        last = part;
    }
    return out + indent + last + ": " + value + "\n";
}

std::string error_of(const std::string& yaml)
{
    try {
        load_text(yaml, "p.yaml");
    }
    catch (const config_error& wrong) {
        return wrong.what();
    }
    return "no error";
}

/// The keys that the loader says it knows in a mapping.
std::set<std::string> known_keys(const std::string& section)
{
    const auto error = error_of(yaml_of(section.empty() ? "zzzzzzzz" : section + ".zzzzzzzz", "1"));
    const std::string mark = "(known here: ";
    const auto start = error.find(mark);
    EXPECT_NE(start, std::string::npos) << error;
    std::istringstream words(error.substr(start + mark.size(), error.rfind(')') - start - mark.size()));
    std::set<std::string> out;
    for (std::string word; words >> word;) out.insert(word.ends_with(',') ? word.substr(0, word.size() - 1) : word);
    return out;
}

TEST(settings, defaults_are_what_the_declarations_say)
{
    const auto empty = load_text("version: 1\n", "p.yaml");
    for (const auto& each : key_cases()) {
        if (!each.get) continue;
        EXPECT_EQ(each.get(settings{}), each.initial) << each.path;
        EXPECT_EQ(each.get(empty), each.initial) << each.path;
    }
    EXPECT_EQ(empty.audit.max_record_bytes, 1U << 20);
    EXPECT_TRUE(empty.policy.allow.empty() && empty.policy.rules.empty() && empty.policy.passthrough.empty());
    EXPECT_TRUE(empty.dns.upstreams.empty() && empty.audit.sinks.empty() && empty.tls.extra_roots.empty());
    EXPECT_EQ(empty.audit.redact, settings{}.audit.redact);
}

TEST(settings, each_key_sets_its_own_value_and_no_other)
{
    for (const auto& each : key_cases()) {
        if (!each.get) continue;
        const auto read = load_text(yaml_of(each.path, each.given), "p.yaml");
        EXPECT_EQ(each.get(read), each.seen) << each.path;
        for (const auto& other : key_cases()) {
            if (!other.get || &other == &each) continue;
            EXPECT_EQ(other.get(read), other.initial) << each.path << " changed " << other.path;
        }
    }
    EXPECT_EQ(load_text(yaml_of("audit.max_record_bytes", "8KiB"), "p.yaml").audit.max_record_bytes, 8192U);
}

TEST(settings, each_key_refuses_what_is_out_of_range_where_it_stands)
{
    for (const auto& each : key_cases()) {
        if (!each.get) continue;
        const auto error = error_of(yaml_of(each.path, each.refused));
        EXPECT_TRUE(error.starts_with("p.yaml:")) << each.path << ": " << error;
        const bool by_pair = std::string(each.path) == "dns.max_ttl";
        EXPECT_NE(error.find(by_pair ? "min_ttl is longer" : each.path), std::string::npos) << error;
    }
    EXPECT_NE(error_of(yaml_of("audit.max_record_bytes", "4kB")).find("found '4kB'"), std::string::npos);
}

TEST(settings, each_key_refuses_a_list_and_a_mapping)
{
    for (const auto& each : key_cases()) {
        for (const auto* value : {"[1, 2]", "{a: 1}", "~"}) {
            const auto error = error_of(yaml_of(each.path, value));
            EXPECT_NE(error.find("expected text"), std::string::npos) << each.path << ' ' << value << ": " << error;
            EXPECT_TRUE(error.starts_with("p.yaml:")) << error;
        }
    }
}

TEST(settings, the_table_has_every_key_that_the_loader_knows)
{
    const std::set<std::string> tested_elsewhere{"version",
                                                 "intercept",
                                                 "default_job",
                                                 "serve",
                                                 "presets",
                                                 "allow",
                                                 "rules",
                                                 "phases",
                                                 "tls.passthrough",
                                                 "tls.passthrough_on_reject",
                                                 "tls.extra_roots",
                                                 "dns.upstreams",
                                                 "capture.redact",
                                                 "audit.sinks",
                                                 "dns.search_suffixes",
                                                 "dns.exfiltration.baseline"};
    const std::set<std::string> sections{"tls", "dns", "dns.exfiltration", "http", "http.http2", "limits", "capture", "audit"};
    std::set<std::string> table = tested_elsewhere;
    for (const auto& each : key_cases()) table.insert(each.path);
    for (const auto& key : known_keys("")) EXPECT_TRUE(table.contains(key) || sections.contains(key)) << key;
    for (const auto& section : sections) {
        for (const auto& key : known_keys(section)) {
            const auto path = section + '.' + key;
            EXPECT_TRUE(table.contains(path) || sections.contains(path)) << path;
        }
    }
}

} // namespace
} // namespace cofferdam::config
