#include "config/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace cofferdam;
using namespace cofferdam::config;
using ::testing::HasSubstr;

namespace {

serve_settings read(const std::string& text)
{
    serve_settings out;
    load_text("version: 1\n" + text, "serve.yaml", &out);
    return out;
}

std::string error(const std::string& text)
{
    try {
        read(text);
    }
    catch (const config_error& wrong) {
        return wrong.what();
    }
    return "no error";
}

TEST(serve_settings, have_defaults)
{
    const auto serve = read("");
    EXPECT_EQ(intercept_mode::router, serve.intercept);
    EXPECT_TRUE(serve.default_job);
    EXPECT_EQ(15001, serve.listen_port);
    EXPECT_EQ(15053, serve.dns_port);
    EXPECT_EQ(0xC0FFEU, serve.mark);
    EXPECT_EQ(0xCF00000U, serve.first_job_mark);
    EXPECT_EQ(256U, serve.max_control_groups);
    EXPECT_EQ(1500, serve.first_queue);
    EXPECT_EQ(1500, serve.log_group);
    EXPECT_EQ(1024U, serve.max_jobs);
    EXPECT_EQ(std::chrono::seconds(3), serve.drain);
    EXPECT_TRUE(serve.interfaces.empty() && serve.ca_dir.empty() && serve.control.empty() && serve.control_group.empty());
    EXPECT_TRUE(serve.audit_dir.empty() && serve.user.empty());
    EXPECT_FALSE(serve.metrics || serve.proxy);
    EXPECT_EQ(0, serve.max_connections);
    EXPECT_EQ(std::chrono::seconds(10), serve.ruleset_check);
}

TEST(serve_settings, are_read)
{
    const auto serve = read(R"(intercept: local
default_job: none
serve:
  listen_port: 1
  dns_port: 2
  interfaces: [build0, br-*]
  mark: 0x10
  first_job_mark: 0x200000
  max_control_groups: 512
  inbound: [8080, 8443]
  first_queue: 7
  log_group: 8
  ca_dir: /ca
  control: /control.sock
  control_group: ci
  audit_dir: /audit
  max_jobs: 5
  max_connections: 600
  ruleset_check: 200ms
  drain: 10s
  user: cofferdam
  metrics: 0.0.0.0:9464
  proxy: "[::1]:3128"
)");
    EXPECT_EQ(intercept_mode::local, serve.intercept);
    EXPECT_FALSE(serve.default_job);
    EXPECT_EQ(1, serve.listen_port);
    EXPECT_EQ(2, serve.dns_port);
    EXPECT_EQ((std::vector<std::string>{"build0", "br-*"}), serve.interfaces);
    EXPECT_EQ(16U, serve.mark);
    EXPECT_EQ(0x200000U, serve.first_job_mark);
    EXPECT_EQ(512U, serve.max_control_groups);
    EXPECT_EQ((std::vector<std::uint16_t>{8080, 8443}), serve.inbound);
    EXPECT_EQ(7, serve.first_queue);
    EXPECT_EQ(8, serve.log_group);
    EXPECT_EQ("/ca", serve.ca_dir);
    EXPECT_EQ("/control.sock", serve.control);
    EXPECT_EQ("ci", serve.control_group);
    EXPECT_EQ("/audit", serve.audit_dir);
    EXPECT_EQ(5U, serve.max_jobs);
    EXPECT_EQ(600, serve.max_connections);
    EXPECT_EQ(std::chrono::milliseconds(200), serve.ruleset_check);
    EXPECT_EQ(std::chrono::seconds(10), serve.drain);
    EXPECT_EQ("cofferdam", serve.user);
    EXPECT_EQ("0.0.0.0:9464", serve.metrics->to_string());
    EXPECT_EQ("[::1]:3128", serve.proxy->to_string());
}

TEST(serve_settings, mistakes_are_located)
{
    EXPECT_THAT(error("intercept: magic"), HasSubstr("serve.yaml:2:12: intercept: expected one of"));
    EXPECT_THAT(error("default_job: some"), HasSubstr("default_job"));
    EXPECT_THAT(error("serve: {listen_port: 0}"), HasSubstr("serve.listen_port: expected a number"));
    EXPECT_THAT(error("serve: {listen_port: 5, dns_port: 5}"), HasSubstr("two ports"));
    EXPECT_THAT(error("serve: {interfaces: [lo]}"), HasSubstr("name of an interface"));
    EXPECT_THAT(error("serve: {interfaces: [a-name-of-16-chars]}"), HasSubstr("name of an interface"));
    EXPECT_THAT(error("serve: {interfaces: ['a b']}"), HasSubstr("name of an interface"));
    EXPECT_THAT(error("serve: {ruleset_check: 1ms}"), HasSubstr("serve.ruleset_check"));
    EXPECT_THAT(error("serve: {max_connections: 0}"), HasSubstr("serve.max_connections"));
    for (const auto* stars : {"'*-br'", "'b*r'", "'br-**'", "'l*'", "'lo*'"})
        EXPECT_THAT(error("serve: {interfaces: [" + std::string(stars) + "]}"), HasSubstr("name of an interface")) << stars;
    EXPECT_THAT(error("serve: {mark: 0}"), HasSubstr("packet mark"));
    EXPECT_THAT(error("serve: {mark: 1}"), HasSubstr("serve.mark: expected a packet mark of 2 or more"));
    EXPECT_THAT(error("serve: {mark: 0x1FFFFFFFF}"), HasSubstr("packet mark"));
    EXPECT_THAT(error("serve: {first_job_mark: 0xFFFFFFFF}"), HasSubstr("there must be 1048576 marks from there on"));
    EXPECT_THAT(error("serve: {first_job_mark: 0xC0000}"), HasSubstr("mark is one of the 1048576 from first_job_mark on"));
    EXPECT_THAT(error("serve: {first_job_mark: 0xC0FFF}"), HasSubstr("mark is one of the 1048576"));
    EXPECT_THAT(error("serve: {max_control_groups: 513}"), HasSubstr("max_control_groups"));
    EXPECT_THAT(error("serve: {control: here.sock}"), HasSubstr("absolute path"));
    EXPECT_THAT(error("serve: {metrics: \"9464\"}"), HasSubstr("address:port"));
    EXPECT_THAT(error("serve: {metrics: \"0.0.0.0:15001\"}"), HasSubstr("metrics needs a port of its own"));
    EXPECT_THAT(error("serve: {metrics: \"0.0.0.0:3128\", proxy: \"127.0.0.1:3128\"}"), HasSubstr("two ports"));
    EXPECT_THAT(error("serve: {surprise: 1}"), HasSubstr("surprise"));
}

TEST(serve_settings, capture_what_is_named_or_everything)
{
    EXPECT_THAT(error("serve: {interfaces: []}\nintercept: router"), HasSubstr("serve.interfaces: expected names"));
    EXPECT_THAT(error("serve: {interfaces: ['*', build0]}"), HasSubstr("serve.interfaces: \"*\""));
    const auto all = read("serve: {interfaces: ['*']}");
    EXPECT_TRUE(all.all_interfaces && all.interfaces.empty());
    EXPECT_FALSE(read("serve: {interfaces: [build0]}").all_interfaces);
    EXPECT_FALSE(read("").all_interfaces);
}

TEST(serve_settings, tell_which_ports_are_the_gateways)
{
    serve_settings serve;
    const auto ports =
        load_text("version: 1\nserve: {interfaces: [a], metrics: \"0.0.0.0:9464\", proxy: \"[::1]:3128\"}", "s", &serve);
    EXPECT_EQ((std::vector<std::uint16_t>{15001, 15053, 9464, 3128}), ports.own_ports);
    EXPECT_TRUE(load_text("version: 1", "s").own_ports.empty());
    EXPECT_EQ(ports.own_ports, load_job_text("version: 1", "job", ports).own_ports);
}

TEST(serve_settings, are_an_error_elsewhere)
{
    for (const auto* key : {"intercept: router", "default_job: none", "serve: {}"}) {
        try {
            load_text(std::string("version: 1\n") + key, "policy.yaml");
            ADD_FAILURE() << key;
        }
        catch (const config_error& wrong) {
            EXPECT_THAT(wrong.what(), HasSubstr("cofferdam serve"));
        }
    }
}

TEST(serve_settings, let_the_default_jobs_ca_live_longer_unless_it_is_said)
{
    serve_settings serve;
    EXPECT_EQ(std::chrono::hours(24 * 366), load_text("version: 1", "s", &serve).tls.ca_lifetime);
    EXPECT_EQ(std::chrono::hours(2), load_text("version: 1\ntls: {ca_lifetime: 2h}", "s", &serve).tls.ca_lifetime);
    EXPECT_EQ(std::chrono::hours(24), load_text("version: 1", "s").tls.ca_lifetime);
}

TEST(job_text, replaces_the_policy_and_keeps_the_rest)
{
    settings base = load_text("version: 1\nallow: [https://a.example/]\ndns: {max_names: 100}\ncapture: {max_body: 3}", "base");
    const auto job =
        load_job_text("version: 1\nmode: audit\nallow: [https://b.example/]\ntls: {passthrough: [\"c.example:443\"]}\n"
                      "capture: {max_body: 2}\npresets: [github]",
                      "job", base);
    EXPECT_EQ(1U, job.policy.allow.size());
    EXPECT_EQ("https://b.example/", job.policy.allow.front().text);
    EXPECT_EQ(policy::mode::audit, job.policy.how);
    EXPECT_EQ(1U, job.policy.passthrough.size());
    EXPECT_EQ(100U, job.dns.max_names);
    EXPECT_EQ(2U, job.audit.max_body);
    EXPECT_EQ(std::vector<std::string>{"github"}, job.presets);
}

TEST(job_text, does_not_put_into_its_log_what_the_gateway_keeps_out)
{
    const settings base = load_text("version: 1\ncapture: {max_body: 1, redact: [x-secret]}", "base");
    const auto has = [](const settings& in, const char* name) {
        return std::count(in.audit.redact.begin(), in.audit.redact.end(), name);
    };
    const auto silent = load_job_text("version: 1", "job", base);
    EXPECT_EQ(1, has(silent, "x-secret"));
    EXPECT_EQ(1U, silent.audit.max_body);
    const auto other = load_job_text("version: 1\ncapture: {max_body: 2, redact: [x-mine]}", "job", base);
    EXPECT_EQ(1, has(other, "x-secret"));
    EXPECT_EQ(1, has(other, "x-mine"));
    EXPECT_EQ(1U, other.audit.max_body);
}

TEST(job_text, may_not_say_what_is_the_gateways)
{
    for (const auto* key : {"dns: {}", "audit: {sinks: [{file: /etc/passwd}]}", "limits: {}", "http: {}", "serve: {}",
                            "tls: {extra_roots: [/etc/shadow]}", "tls: {min_version: \"1.2\"}"}) {
        try {
            load_job_text(std::string("version: 1\n") + key, "job", {});
            ADD_FAILURE() << key;
        }
        catch (const config_error& wrong) {
            EXPECT_THAT(wrong.what(), HasSubstr("job:2:"));
            EXPECT_THAT(wrong.what(), HasSubstr("gateway's own configuration"));
        }
    }
}

} // namespace
