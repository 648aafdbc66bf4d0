#include "config/load.hpp"
#include "policy/policy.hpp"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace cofferdam::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string error_of(const std::string& yaml)
{
    try {
        load_text(yaml, "policy.yaml");
    }
    catch (const config_error& wrong) {
        return wrong.what();
    }
    return "no error";
}

std::string policy_error_of(const std::string& yaml)
{
    const auto read = load_text(yaml, "policy.yaml");
    try {
        policy::policy::compile(read.policy);
    }
    catch (const policy::policy_error& wrong) {
        return wrong.what();
    }
    return "no error";
}

std::vector<std::string> texts(const std::vector<policy::entry_source>& entries)
{
    std::vector<std::string> out;
    for (const auto& each : entries) out.push_back(each.text);
    return out;
}

TEST(load, the_whole_shape)
{
    const auto read = load_text(R"(version: 1
mode: audit
allow:
  - https://a.example/
  - GET,HEAD https://b.example/acme/
rules:
  - name: no uploads
    expr: http.req.method == "POST"
    action: deny
    capture: full
  - {expr: 'http.req.method == "PUT"', action: alert}
phases:
  build: {allow: []}
  test: {allow: [https://t.example/]}
tls: {passthrough: ["pinned.example:443"], extra_roots: [roots/a.pem, /etc/b.pem]}
dns: {upstreams: [192.0.2.1, "192.0.2.2:5353", "[2001:db8::1]:53", "2001:db8::2"]}
capture: {redact: [Authorization, X-Token]}
audit: {sinks: [{file: log/audit.jsonl}, {stdout: {}}]}
)",
                                "/srv/ci/policy.yaml");
    EXPECT_EQ(read.policy.how, policy::mode::audit);
    EXPECT_EQ(texts(read.policy.allow), (std::vector<std::string>{"https://a.example/", "GET,HEAD https://b.example/acme/"}));
    EXPECT_EQ(read.policy.allow[1].where.line, 5);
    EXPECT_EQ(read.policy.allow[1].where.column, 5);
    ASSERT_EQ(read.policy.rules.size(), 2U);
    EXPECT_EQ(read.policy.rules[0].name, "no uploads");
    EXPECT_EQ(read.policy.rules[0].action, "deny");
    EXPECT_EQ(read.policy.rules[0].capture, "full");
    EXPECT_EQ(read.policy.rules[0].where.line, 8);
    EXPECT_EQ(read.policy.rules[1].name, "http.req.method == \"PUT\"");
    EXPECT_TRUE(read.policy.phases.at("build").empty());
    EXPECT_EQ(texts(read.policy.phases.at("test")), std::vector<std::string>{"https://t.example/"});
    EXPECT_EQ(texts(read.policy.passthrough), std::vector<std::string>{"pinned.example:443"});
    EXPECT_EQ(read.tls.extra_roots, (std::vector<std::string>{"/srv/ci/roots/a.pem", "/etc/b.pem"}));
    ASSERT_EQ(read.dns.upstreams.size(), 4U);
    EXPECT_EQ(read.dns.upstreams[1], (ip_endpoint{*ip_address::parse("192.0.2.2"), 5353}));
    EXPECT_EQ(read.dns.upstreams[3], (ip_endpoint{*ip_address::parse("2001:db8::2"), 53}));
    EXPECT_EQ(read.audit.redact, (std::vector<std::string>{"authorization", "x-token"}));
    ASSERT_EQ(read.audit.sinks.size(), 2U);
    EXPECT_EQ(read.audit.sinks[0].path, "log/audit.jsonl");
    EXPECT_EQ(read.audit.sinks[1].what, audit::sink_settings::kind::standard_output);
    EXPECT_EQ(read.files, std::vector<std::string>{"/srv/ci/policy.yaml"});
    EXPECT_NE(policy::policy::compile(read.policy, "test"), nullptr);
}

TEST(load, the_fingerprint_is_sha_256_of_the_text)
{
    EXPECT_EQ(load_text("version: 1\n", "p").fingerprint, load_text("version: 1\n", "q").fingerprint);
    EXPECT_NE(load_text("version: 1\n", "p").fingerprint, load_text("version: 1\n\n", "p").fingerprint);
    EXPECT_EQ(load_text("version: 1\n", "p").fingerprint.size(), 64U);
}

TEST(load, errors_say_where_and_what)
{
    EXPECT_EQ(error_of(""), "policy.yaml:1:1: the first line should be 'version: 1'");
    EXPECT_EQ(error_of("mode: audit\n"), "policy.yaml:1:1: the first line should be 'version: 1'");
    EXPECT_EQ(error_of("version: 2\n"), "policy.yaml:1:10: version: this program reads version 1, found '2'");
    EXPECT_THAT(error_of("version: 1\nalow: []\n"), StartsWith("policy.yaml:2:1: unknown key 'alow', did you mean 'allow'?"));
    EXPECT_THAT(error_of("version: 1\nsomething_else: []\n"), StartsWith("policy.yaml:2:1: unknown key 'something_else' (known"));
    EXPECT_THAT(error_of("version: 1\ndns:\n  upstream_tires: 3\n"),
                StartsWith("policy.yaml:3:3: dns: unknown key 'upstream_tires', did you mean 'upstream_tries'?"));
    EXPECT_EQ(error_of("version: 1\nmode: audit\nmode: enforce\n"), "policy.yaml:3:1: the key 'mode' stands here twice");
    EXPECT_EQ(error_of("version: 1\nphases:\n  a: {}\n  a: {}\n"), "policy.yaml:4:3: phases: the key 'a' stands here twice");
    EXPECT_EQ(error_of("version: 1\nmode: report\n"), "policy.yaml:2:7: mode: expected one of enforce, audit, found 'report'");
    EXPECT_EQ(error_of("version: 1\nallow:\n  - a.example:1\n  - [b]\n"), "policy.yaml:4:5: allow[1]: expected text");
    EXPECT_EQ(error_of("version: 1\nallow: {a: b}\n"), "policy.yaml:2:8: allow: expected a list");
    EXPECT_EQ(error_of("version: 1\ndns: 5\n"), "policy.yaml:2:6: dns: expected a mapping (key: value)");
    EXPECT_EQ(error_of("[1]\n"), "policy.yaml:1:1: expected a mapping (key: value)");
    EXPECT_EQ(error_of("version: 1\nlimits:\n  workers: 300\n"),
              "policy.yaml:3:12: limits.workers: expected a number from 0 to 256, found '300'");
    EXPECT_THAT(error_of("version: 1\ndns:\n  upstreams: [1.2.3]\n"),
                StartsWith("policy.yaml:3:15: dns.upstreams[0]: expected a DNS"));
    for (const auto* wrong : {"'9.9.9.9:'", "'9.9.9.9:0'", "'9.9.9.9:65536'", "'9.9.9.9:x'", "dns.example", "'[::1'"}) {
        EXPECT_THAT(error_of(std::string("version: 1\ndns: {upstreams: [") + wrong + "]}\n"), HasSubstr("expected a DNS server"));
    }
    EXPECT_THAT(error_of("version: 1\ndns: {virtual_range: 10.0.0.0/29}\n"), HasSubstr("expected an IPv4 range from /8 to /28"));
    EXPECT_THAT(error_of("version: 1\ndns: {virtual_range: 'fd00::/16'}\n"), HasSubstr("expected an IPv4 range"));
}

TEST(load, rules_and_sinks_are_complete)
{
    EXPECT_EQ(error_of("version: 1\nrules:\n  - action: deny\n"), "policy.yaml:3:5: rules[0]: a rule needs 'expr'");
    EXPECT_EQ(error_of("version: 1\nrules:\n  - expr: 'true'\n"),
              "policy.yaml:3:5: rules[0]: a rule needs 'action': allow, deny or alert");
    EXPECT_THAT(error_of("version: 1\nrules:\n  - {expr: a, action: reject}\n"), HasSubstr("expected one of allow, deny, alert"));
    EXPECT_THAT(error_of("version: 1\nrules:\n  - {expr: a, action: deny, capture: some}\n"),
                HasSubstr("rules[0].capture: expected"));
    EXPECT_THAT(error_of("version: 1\naudit: {sinks: [{}]}\n"), HasSubstr("audit.sinks[0]: expected one sink"));
    EXPECT_THAT(error_of("version: 1\naudit: {sinks: [{file: a, stdout: {}}]}\n"),
                HasSubstr("audit.sinks[0]: expected one sink"));
    EXPECT_THAT(error_of("version: 1\naudit: {sinks: [{file: ''}]}\n"), HasSubstr("a file sink needs a path"));
    EXPECT_THAT(error_of("version: 1\naudit: {sinks: [{stdout: {colour: 1}}]}\n"), HasSubstr("unknown key 'colour'"));
    EXPECT_THAT(error_of("version: 1\naudit: {sinks: [{pipe: a}]}\n"), HasSubstr("unknown key 'pipe'"));
}

TEST(load, a_preset_has_a_name_that_exists)
{
    EXPECT_EQ(load_text("version: 1\npresets: [github, npm]\n", "p").presets, (std::vector<std::string>{"github", "npm"}));
    EXPECT_THAT(
        error_of("version: 1\npresets: [github, nmp]\n"),
        StartsWith("policy.yaml:2:19: no preset 'nmp' (there are: apt, cargo, go, maven, npm, pip, docker-hub, github, gitlab)"));
}

TEST(load, a_wildcard_has_its_own_information_budget)
{
    const auto read =
        load_text("version: 1\nallow:\n  - {entry: 'dns:*.b.example', dns_bits: 512}\n  - dns:a.example\n", "policy.yaml");
    ASSERT_EQ(read.policy.allow.size(), 2U);
    EXPECT_EQ(read.policy.allow[0].dns_bits, 512U);
    EXPECT_EQ(read.policy.allow[0].text, "dns:*.b.example");
    EXPECT_FALSE(read.policy.allow[1].dns_bits);
    EXPECT_THAT(error_of("version: 1\nallow:\n  - {dns_bits: 512}\n"),
                StartsWith("policy.yaml:3:5: allow[0]: expected an entry"));
    EXPECT_THAT(error_of("version: 1\nallow:\n  - {entry: 'dns:*.b.example', dns_bits: -1}\n"), StartsWith("policy.yaml:3:"));
    EXPECT_THAT(policy_error_of("version: 1\nallow:\n  - {entry: 'dns:a.example', dns_bits: 512}\n"),
                StartsWith("policy.yaml:3:13: dns_bits is for wildcards"));
    EXPECT_THAT(policy_error_of("version: 1\nallow:\n  - https://*.duckdns.org/\n"), StartsWith("policy.yaml:3:"));
    EXPECT_EQ(policy_error_of("version: 1\nallow:\n  - https://*.s3.amazonaws.com/\n"), "no error");
}

TEST(load, files_and_names_of_the_dns_guard)
{
    const auto read =
        load_text("version: 1\ndns:\n  search_suffixes: [Corp.Internal., b.example]\n  exfiltration:\n    baseline: "
                  "logs/accepted.jsonl\n",
                  "/etc/cofferdam/policy.yaml");
    EXPECT_THAT(read.dns.search_suffixes, testing::ElementsAre("corp.internal", "b.example"));
    EXPECT_EQ(read.dns.exfiltration.baseline_file, "/etc/cofferdam/logs/accepted.jsonl");
    EXPECT_THAT(error_of("version: 1\ndns:\n  search_suffixes: ['a b']\n"), StartsWith("policy.yaml:3:21: "));
}

TEST(load, policy_errors_say_where_the_entry_stands)
{
    EXPECT_THAT(policy_error_of("version: 1\nallow:\n  - https://a.example/\n  - https://b.example/?x\n"),
                StartsWith("policy.yaml:4:23: "));
    EXPECT_THAT(policy_error_of("version: 1\nallow: [ftp://a.example/]\n"), StartsWith("policy.yaml:2:9: unknown scheme 'ftp'"));
    EXPECT_THAT(policy_error_of("version: 1\nallow:\n  - https://*.example.com/\n  - 'https://*.com/'\n"),
                StartsWith("policy.yaml:4:"));
    EXPECT_THAT(policy_error_of("version: 1\ntls:\n  passthrough:\n    - a.example\n"), StartsWith("policy.yaml:4:7: "));
    EXPECT_THAT(policy_error_of("version: 1\ntls:\n  passthrough_on_reject: suggested\n"), StartsWith("policy.yaml:3:"));
    EXPECT_THAT(policy_error_of("version: 1\ntls:\n  passthrough_on_reject: [suggest, a.example:443]\n"),
                StartsWith("policy.yaml:3:"));
    EXPECT_THAT(policy_error_of("version: 1\nrules:\n  - name: broken\n    expr: http.req.metod == \"A\"\n    action: deny\n"),
                StartsWith("policy.yaml:4:11: rule 'broken', column 1 of the expression: "));
    const auto phases = load_text("version: 1\nphases:\n  build:\n    allow:\n      - nonsense\n", "policy.yaml");
    try {
        policy::policy::compile(phases.policy, "build");
        FAIL() << "compiled";
    }
    catch (const policy::policy_error& wrong) {
        EXPECT_THAT(wrong.what(), StartsWith("policy.yaml:5:9: "));
    }
}

/// A folder of its own for files, removed afterwards.
class load_files : public testing::Test {
protected:
    void SetUp() override
    {
        std::string pattern = testing::TempDir() + "config-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    std::string write(const std::string& name, const std::string& text) const
    {
        std::ofstream(folder / name, std::ios::binary) << text;
        return (folder / name).string();
    }
    std::string error(const std::string& path, const overrides& extra = {}) const
    {
        try {
            load(path, extra);
        }
        catch (const config_error& wrong) {
            return wrong.what();
        }
        return "no error";
    }

    std::filesystem::path folder;
};

TEST_F(load_files, the_command_line_adds_to_the_file_and_overrides_it)
{
    const auto path = write("p.yaml", "version: 1\nmode: enforce\nallow: [https://a.example/]\n"
                                      "audit: {sinks: [{stdout: {}}, {file: b.jsonl}]}\n");
    const auto plain = load(path, {});
    EXPECT_EQ(plain.audit.sinks.size(), 2U);
    EXPECT_EQ(plain.audit.sinks[1].path, "b.jsonl");
    const auto read = load(path, {{"https://b.example/", "c.example:22"}, {"gitlab"}, "audit", "mine.jsonl"});
    EXPECT_EQ(read.policy.how, policy::mode::audit);
    ASSERT_GT(read.policy.allow.size(), 3U);
    EXPECT_EQ(read.policy.allow[0].text, "https://a.example/");
    EXPECT_EQ(read.policy.allow[1].text, "https://b.example/");
    EXPECT_EQ(read.policy.allow[2].where.file, "--allow");
    EXPECT_EQ(read.policy.allow[3].where.file, "preset gitlab");
    EXPECT_GT(read.policy.allow[3].where.line, 1);
    ASSERT_EQ(read.audit.sinks.size(), 1U);
    EXPECT_EQ(read.audit.sinks[0].path, "mine.jsonl");
    EXPECT_EQ(load(write("q.yaml", "version: 1\nmode: audit\n"), {{}, {}, "enforce", ""}).policy.how, policy::mode::enforce);
}

TEST_F(load_files, without_a_file_nothing_is_allowed_but_what_the_command_line_says)
{
    const auto read = load("", {{"https://b.example/"}, {}, "", ""});
    EXPECT_EQ(texts(read.policy.allow), std::vector<std::string>{"https://b.example/"});
    EXPECT_EQ(read.policy.how, policy::mode::enforce);
    EXPECT_TRUE(read.files.empty());
}

TEST_F(load_files, wrong_overrides_name_their_option)
{
    EXPECT_EQ(error("", {{}, {}, "observe", ""}), "--mode: expected enforce or audit, found 'observe'");
    EXPECT_THAT(error("", {{}, {"gitea"}, "", ""}), StartsWith("--preset: no preset 'gitea' (there are: "));
}

TEST_F(load_files, files_that_can_not_be_read)
{
    EXPECT_EQ(error((folder / "none.yaml").string()),
              (folder / "none.yaml").string() + ": can't read: No such file or directory");
    EXPECT_THAT(error(folder.string()), HasSubstr("expected a YAML file"));
    EXPECT_THAT(error(write("big.yaml", std::string((8U << 20) + 1, '#'))), HasSubstr("larger than 8 MiB"));
    EXPECT_THAT(error(write("binary.yaml", std::string("\x7f"
                                                       "ELF\0\0\x01",
                                                       7))),
                HasSubstr("binary.yaml:"));
}

} // namespace
} // namespace cofferdam::config
