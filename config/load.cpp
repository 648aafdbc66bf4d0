#include "config/load.hpp"

#include "config/presets.hpp"
#include "core/text.hpp"
#include "policy/name.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <openssl/evp.h>
#include <sstream>

namespace cofferdam::config {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t max_config_bytes = 8U << 20;
constexpr auto service_ca_lifetime = 24h * 366; // of the default job, which has no end

policy::entry_source read_entry(const node& n)
{
    if (!n.is_map()) return {n.text(), n.where(), {}};
    policy::entry_source out;
    n.mapping({
        {"entry",
         [&](const node& v) {
             out.text = v.text();
             out.where = v.where();
         }},
        {"dns_bits", [&](const node& v) { out.dns_bits = static_cast<std::uint32_t>(v.count(0, 1'000'000)); }},
    });
    if (out.text.empty()) n.fail("expected an entry, such as {entry: \"https://*.b.example/\", dns_bits: 512}");
    return out;
}

void read_entries(const node& n, std::vector<policy::entry_source>& out)
{
    n.each([&](const node& item) { out.push_back(read_entry(item)); });
}

void read_rule(const node& n, std::vector<policy::rule_source>& out)
{
    policy::rule_source rule;
    rule.where = n.where();
    n.mapping({
        {"name", [&](const node& v) { rule.name = v.text(); }},
        {"expr",
         [&](const node& v) {
             rule.expr = v.text();
             rule.where = v.where();
         }},
        {"action",
         [&](const node& v) {
             v.one_of({"allow", "deny", "alert"});
             rule.action = v.text();
         }},
        {"capture",
         [&](const node& v) {
             v.one_of({"none", "summary", "headers", "full"});
             rule.capture = v.text();
         }},
    });
    if (rule.expr.empty()) n.fail("a rule needs 'expr'");
    if (rule.action.empty()) n.fail("a rule needs 'action': allow, deny or alert");
    if (rule.name.empty()) rule.name = rule.expr;
    out.push_back(std::move(rule));
}

void read_phases(const node& n, policy::policy_source& out)
{
    n.each_key([&](const std::string& name, const node& phase) {
        auto& entries = out.phases[name];
        phase.mapping({{"allow", [&](const node& v) { read_entries(v, entries); }}});
    });
}

std::string relative_to(const std::string& file, const std::string& path)
{
    const std::filesystem::path given(path);
    if (given.is_absolute()) return path;
    return (std::filesystem::path(file).parent_path() / given).string();
}

// `suggest`, which is what is done anyway, or entries.
void read_passthrough_on_reject(const node& n, std::vector<policy::entry_source>& out)
{
    std::vector<policy::entry_source> entries;
    read_entries(n, entries);
    if (entries.size() != 1 || entries[0].text != "suggest") out = std::move(entries);
}

void read_tls(const node& n, const std::string& file, settings& out)
{
    auto& tls = out.tls;
    n.mapping({
        {"passthrough", [&](const node& v) { read_entries(v, out.policy.passthrough); }},
        {"passthrough_on_reject", [&](const node& v) { read_passthrough_on_reject(v, out.policy.passthrough_on_reject); }},
        {"extra_roots",
         [&](const node& v) { v.each([&](const node& item) { tls.extra_roots.push_back(relative_to(file, item.text())); }); }},
        {"min_version",
         [&](const node& v) {
             v.one_of({"1.2", "1.3"});
             tls.min_version = v.text();
         }},
        {"handshake_timeout", [&](const node& v) { tls.handshake_timeout = v.duration(100ms, 120s); }},
        {"max_client_hello", [&](const node& v) { tls.max_client_hello = v.bytes(2048, 1U << 20); }},
        {"verified_for", [&](const node& v) { tls.verified_for = v.duration(0ms, 1h); }},
        {"leaf_cache", [&](const node& v) { tls.leaf_cache = v.count(1, 1'000'000); }},
        {"session_cache", [&](const node& v) { tls.session_cache = v.count(0, 1'000'000); }},
        {"session_lifetime",
         [&](const node& v) { tls.session_lifetime = std::chrono::duration_cast<std::chrono::seconds>(v.duration(0s, 24h)); }},
        {"ca_lifetime",
         [&](const node& v) { tls.ca_lifetime = std::chrono::duration_cast<std::chrono::hours>(v.duration(1h, 24h * 366)); }},
    });
}

ip_endpoint read_server(const node& n)
{
    if (const auto bare = ip_address::parse(n.text())) return {*bare, 53};
    return read_endpoint(n, "expected a DNS server's address, such as 9.9.9.9, 9.9.9.9:53 or [2620:fe::fe]:53");
}

void read_search_suffix(const node& n, dns::settings& out)
{
    const auto name = policy::canonical_name(n.text());
    if (!name)
        n.fail("expected a domain of the resolver's search list, such as corp.internal, found '" + escape_line(n.text()) + "'");
    out.search_suffixes.push_back(*name);
}

void read_exfiltration(const node& n, const std::string& file, dns::budget_settings& out)
{
    const auto bits = [](const node& v) { return static_cast<std::uint32_t>(v.count(0, 1'000'000)); };
    n.mapping({
        {"unknown_domain_bits", [&](const node& v) { out.unknown_domain_bits = bits(v); }},
        {"job_bits", [&](const node& v) { out.job_bits = bits(v); }},
        {"popular_bits", [&](const node& v) { out.popular_bits = bits(v); }},
        {"wildcard_bits", [&](const node& v) { out.wildcard_bits = bits(v); }},
        {"provider_bits", [&](const node& v) { out.provider_bits = bits(v); }},
        {"tenant_bits", [&](const node& v) { out.tenant_bits = bits(v); }},
        {"query_bits", [&](const node& v) { out.query_bits = bits(v); }},
        {"wildcard_query_bits", [&](const node& v) { out.wildcard_query_bits = bits(v); }},
        {"new_domains", [&](const node& v) { out.new_domains = v.count(0, 1'000'000); }},
        {"max_keys", [&](const node& v) { out.max_keys = v.count(1, 1'000'000); }},
        {"max_paths", [&](const node& v) { out.max_paths = v.count(1, 1'000'000); }},
        {"max_answers", [&](const node& v) { out.max_answers = v.count(1, 1'000'000); }},
        {"max_baseline", [&](const node& v) { out.max_baseline = v.count(1, 1'000'000); }},
        {"baseline", [&](const node& v) { out.baseline_file = relative_to(file, v.text()); }},
    });
}

void read_virtual_range(const node& n, dns::settings& out)
{
    const auto range = ip_prefix::parse(n.text());
    if (!range || !range->network().is_v4() || range->length() > 28 || range->length() < 8) {
        n.fail("expected an IPv4 range from /8 to /28, such as 198.18.0.0/15, found '" + escape_line(n.text()) + "'");
    }
    out.virtual_range = *range;
}

void read_dns(const node& n, const std::string& file, dns::settings& out)
{
    const auto as_seconds = [](const node& v, seconds max) { return std::chrono::duration_cast<seconds>(v.duration(0ms, max)); };
    n.mapping({
        {"answers",
         [&](const node& v) {
             const bool real = v.one_of({"virtual", "real"}) == 1;
             out.answers = real ? dns::answer_mode::real : dns::answer_mode::virtual_addresses;
         }},
        {"upstreams", [&](const node& v) { v.each([&](const node& item) { out.upstreams.push_back(read_server(item)); }); }},
        {"virtual_range", [&](const node& v) { read_virtual_range(v, out); }},
        {"upstream_timeout", [&](const node& v) { out.upstream_timeout = v.duration(50ms, 60s); }},
        {"upstream_tries", [&](const node& v) { out.upstream_tries = static_cast<unsigned>(v.count(1, 10)); }},
        {"min_ttl", [&](const node& v) { out.min_ttl = as_seconds(v, 24h); }},
        {"max_ttl", [&](const node& v) { out.max_ttl = as_seconds(v, 24h * 7); }},
        {"negative_ttl", [&](const node& v) { out.negative_ttl = as_seconds(v, 24h); }},
        {"virtual_ttl", [&](const node& v) { out.virtual_ttl = as_seconds(v, 24h); }},
        {"max_names", [&](const node& v) { out.max_names = v.count(16, 120'000); }},
        {"max_cache", [&](const node& v) { out.max_cache = v.count(16, 1'000'000); }},
        {"max_in_flight", [&](const node& v) { out.max_in_flight = v.count(1, 60'000); }},
        {"max_tcp_connections", [&](const node& v) { out.max_tcp_connections = v.count(1, 60'000); }},
        {"tcp_idle", [&](const node& v) { out.tcp_idle = as_seconds(v, 1h); }},
        {"queues", [&](const node& v) { out.queues = static_cast<unsigned>(v.count(1, 16)); }},
        {"queue_length", [&](const node& v) { out.queue_length = v.count(16, 1'000'000); }},
        {"socket_buffer", [&](const node& v) { out.socket_buffer = v.bytes(65536, 256U << 20); }},
        {"queue_buffer", [&](const node& v) { out.queue_buffer = v.bytes(65536, 256U << 20); }},
        {"queue_copy_range", [&](const node& v) { out.queue_copy_range = v.bytes(4608, 65531); }},
        {"search_suffixes", [&](const node& v) { v.each([&](const node& item) { read_search_suffix(item, out); }); }},
        {"exfiltration", [&](const node& v) { read_exfiltration(v, file, out.exfiltration); }},
    });
    if (out.min_ttl > out.max_ttl) n.fail("min_ttl is longer than max_ttl");
}

void read_http2(const node& n, http::http2_limits& out)
{
    n.mapping({
        {"max_streams", [&](const node& v) { out.max_streams = v.count(1, 10'000); }},
        {"max_frame", [&](const node& v) { out.max_frame = v.bytes(16384, (1U << 24) - 1); }},
        {"stream_window", [&](const node& v) { out.stream_window = v.bytes(65535, 1U << 24); }},
        {"connection_window", [&](const node& v) { out.connection_window = v.bytes(65535, 1U << 28); }},
        {"max_resets", [&](const node& v) { out.max_resets = v.count(1, 1'000'000); }},
        {"max_idle_frames", [&](const node& v) { out.max_idle_frames = v.count(1, 1'000'000); }},
    });
    if (out.connection_window < out.stream_window) n.fail("connection_window is smaller than stream_window");
}

void read_http(const node& n, http::limits& out)
{
    n.mapping({
        {"max_head", [&](const node& v) { out.max_head = v.bytes(1024, 1U << 20); }},
        {"max_start_line", [&](const node& v) { out.max_start_line = v.bytes(256, 1U << 20); }},
        {"max_header_fields", [&](const node& v) { out.max_header_fields = v.count(8, 10'000); }},
        {"max_chunk_line", [&](const node& v) { out.max_chunk_line = v.bytes(16, 65536); }},
        {"max_trailer", [&](const node& v) { out.max_trailer = v.bytes(0, 1U << 20); }},
        {"max_interim_responses", [&](const node& v) { out.max_interim_responses = static_cast<unsigned>(v.count(0, 1000)); }},
        {"head_timeout", [&](const node& v) { out.head_timeout = v.duration(100ms, 1h); }},
        {"idle_timeout", [&](const node& v) { out.idle_timeout = v.duration(100ms, 24h); }},
        {"body_timeout", [&](const node& v) { out.body_timeout = v.duration(100ms, 24h); }},
        {"response_timeout", [&](const node& v) { out.response_timeout = v.duration(100ms, 24h); }},
        {"upstream_idle_connections", [&](const node& v) { out.upstream_idle_connections = v.count(0, 1000); }},
        {"upstream_idle_timeout", [&](const node& v) { out.upstream_idle_timeout = v.duration(100ms, 1h); }},
        {"upstream_hold", [&](const node& v) { out.upstream_hold = v.duration(1ms, 24h); }},
        {"upstream_lifetime", [&](const node& v) { out.upstream_lifetime = v.duration(1s, 24h); }},
        {"http2", [&](const node& v) { read_http2(v, out.http2); }},
    });
}

void read_limits(const node& n, gateway_limits& out)
{
    n.mapping({
        {"max_connections", [&](const node& v) { out.max_connections = v.count(1, 1'000'000); }},
        {"workers", [&](const node& v) { out.workers = v.count(0, 256); }},
        {"sniff_timeout", [&](const node& v) { out.sniff_timeout = v.duration(10ms, 10min); }},
        {"server_first_delay", [&](const node& v) { out.server_first_delay = v.duration(1ms, 10s); }},
        {"connect_timeout", [&](const node& v) { out.connect_timeout = v.duration(50ms, 10min); }},
        {"packet_log_buffer", [&](const node& v) { out.packet_log_buffer = v.bytes(65536, 256U << 20); }},
        {"max_udp_flows", [&](const node& v) { out.max_udp_flows = v.count(1, 60'000); }},
        {"udp_idle_timeout", [&](const node& v) { out.udp_idle_timeout = v.duration(100ms, 24h); }},
        {"stream_idle_timeout", [&](const node& v) { out.stream_idle_timeout = v.duration(100ms, 24h); }},
    });
}

policy::capture_level read_level(const node& n)
{
    return static_cast<policy::capture_level>(n.one_of({"none", "summary", "headers", "full"}));
}

void read_capture(const node& n, settings& out)
{
    n.mapping({
        {"default", [&](const node& v) { out.policy.capture_default = read_level(v); }},
        {"denied", [&](const node& v) { out.policy.capture_denied = read_level(v); }},
        {"max_body", [&](const node& v) { out.audit.max_body = v.bytes(0, 64U << 20); }},
        {"redact",
         [&](const node& v) {
             out.audit.redact.clear();
             v.each([&](const node& item) { out.audit.redact.push_back(to_lower(item.text())); });
         }},
    });
}

void read_sink(const node& n, std::vector<audit::sink_settings>& out)
{
    std::vector<audit::sink_settings> named;
    n.mapping({
        {"file",
         [&](const node& v) {
             if (v.text().empty()) v.fail("a file sink needs a path");
             named.push_back({audit::sink_settings::kind::file, v.text()});
         }},
        {"stdout",
         [&](const node& v) {
             v.mapping({});
             named.push_back({audit::sink_settings::kind::standard_output, {}});
         }},
    });
    if (named.size() != 1) n.fail("expected one sink, such as {file: audit.jsonl} or {stdout: {}}");
    out.push_back(std::move(named.front()));
}

void read_audit(const node& n, audit::settings& out)
{
    n.mapping({
        {"sinks", [&](const node& v) { v.each([&](const node& item) { read_sink(item, out.sinks); }); }},
        {"queue_records", [&](const node& v) { out.queue_records = v.count(16, 10'000'000); }},
        {"queue_bytes", [&](const node& v) { out.queue_bytes = v.bytes(65536, std::size_t{1} << 32); }},
        {"max_record_bytes", [&](const node& v) { out.max_record_bytes = v.bytes(4096, 256U << 20); }},
    });
}

/// A key of `cofferdam serve`.
node::key serve_key(std::string_view name, serve_settings* out, void (*read)(const node&, serve_settings&))
{
    return {name, [name, out, read](const node& v) {
                if (!out) v.fail("'" + std::string(name) + "' belongs into the configuration of `cofferdam serve`");
                read(v, *out);
            }};
}

void read_top(const node& n, const std::string& file, settings& out, serve_settings* serve)
{
    bool versioned = false;
    n.mapping({
        {"version",
         [&](const node& v) {
             if (v.text() != "1") v.fail("this program reads version 1, found '" + escape_line(v.text()) + "'");
             versioned = true;
         }},
        {"mode",
         [&](const node& v) {
             out.policy.how = static_cast<policy::mode>(v.one_of({"enforce", "audit"}));
         }},
        {"presets",
         [&](const node& v) {
             v.each([&](const node& item) {
                 check_preset_name(item);
                 out.presets.push_back(item.text());
             });
         }},
        {"allow", [&](const node& v) { read_entries(v, out.policy.allow); }},
        {"rules", [&](const node& v) { v.each([&](const node& item) { read_rule(item, out.policy.rules); }); }},
        {"phases", [&](const node& v) { read_phases(v, out.policy); }},
        {"tls", [&](const node& v) { read_tls(v, file, out); }},
        {"dns", [&](const node& v) { read_dns(v, file, out.dns); }},
        {"http", [&](const node& v) { read_http(v, out.http); }},
        {"limits", [&](const node& v) { read_limits(v, out.limits); }},
        {"capture", [&](const node& v) { read_capture(v, out); }},
        {"audit", [&](const node& v) { read_audit(v, out.audit); }},
        serve_key("intercept", serve, read_intercept),
        serve_key("default_job", serve, read_default_job),
        serve_key("serve", serve, read_serve),
    });
    if (!versioned) throw config_error({file, 1, 1}, "the first line should be 'version: 1'");
    if (serve) out.own_ports = own_ports(*serve);
}

std::string sha256_hex(const std::string& text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (unsigned i = 0; i < size; ++i) {
        out += digits[digest[i] >> 4];
        out += digits[digest[i] & 15];
    }
    return out;
}

std::string read_whole(const std::string& path)
{
    std::ifstream in(path, std::ios::binary);
    if (!in) throw config_error({path, 0, 0}, std::string("can't read: ") + std::strerror(errno));
    if (std::filesystem::is_directory(path)) throw config_error({path, 0, 0}, "is a folder, expected a YAML file");
    std::string text(max_config_bytes + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > max_config_bytes) throw config_error({path, 0, 0}, "larger than 8 MiB");
    return text;
}

} // namespace

settings load_text(const std::string& text, const std::string& file, serve_settings* serve)
{
    settings out;
    if (serve) out.tls.ca_lifetime = service_ca_lifetime;
    read_top(parse_document(text, file), file, out, serve);
    out.files.push_back(file);
    out.fingerprint = sha256_hex(text);
    return out;
}

settings load_file(const std::string& path, serve_settings* serve)
{
    return load_text(read_whole(path), path, serve);
}

settings load(const std::string& path, const overrides& extra, serve_settings* serve)
{
    settings out = path.empty() ? settings{} : load_file(path, serve);
    for (const auto& entry : extra.allow) out.policy.allow.push_back({entry, {"--allow", 0, 0}, {}});
    for (const auto& preset : extra.presets) {
        check_preset_name(preset, {"--preset", 0, 0});
        out.presets.push_back(preset);
    }
    if (extra.mode == "audit")
        out.policy.how = policy::mode::audit;
    else if (extra.mode == "enforce")
        out.policy.how = policy::mode::enforce;
    else if (!extra.mode.empty()) {
        throw config_error({"--mode", 0, 0}, "expected enforce or audit, found '" + escape_line(extra.mode) + "'");
    }
    if (!extra.audit.empty()) out.audit.sinks = {{audit::sink_settings::kind::file, extra.audit}};
    expand_presets(out);
    return out;
}

settings load_job_text(const std::string& text, const std::string& name, const settings& base)
{
    static constexpr std::string_view own[] = {"version", "mode", "presets", "allow", "rules", "phases", "capture", "tls"};
    if (text.size() > max_config_bytes) throw config_error({name, 0, 0}, "larger than 8 MiB");
    parse_document(text, name).each_key([](const std::string& key, const node& n) {
        if (std::find(std::begin(own), std::end(own), key) == std::end(own))
            n.fail("this is set by the gateway's own configuration, not by a job's policy");
        if (key != "tls") return;
        n.each_key([](const std::string& inner, const node& below) {
            if (inner != "passthrough") below.fail("this is set by the gateway's own configuration, not by a job's policy");
        });
    });
    settings read = load_text(text, name);
    settings out = base;
    out.policy = std::move(read.policy);
    // A job may keep more out of its log than the gateway does, not less.
    for (auto& header : read.audit.redact)
        if (std::find(out.audit.redact.begin(), out.audit.redact.end(), header) == out.audit.redact.end())
            out.audit.redact.push_back(std::move(header));
    const bool own_limit = read.audit.max_body != audit::settings{}.max_body;
    if (own_limit) out.audit.max_body = std::min(out.audit.max_body, read.audit.max_body);
    out.presets = std::move(read.presets);
    out.files = std::move(read.files);
    out.fingerprint = std::move(read.fingerprint);
    return out;
}

std::string describe_files(const settings& what)
{
    std::string out;
    for (const auto& file : what.files) out += (out.empty() ? "" : ", ") + file;
    if (!what.fingerprint.empty()) out += " sha256:" + what.fingerprint;
    return out;
}

} // namespace cofferdam::config
