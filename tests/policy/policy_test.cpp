#include "policy/policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cofferdam::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<entry_source> entries(const std::vector<std::string>& lines)
{
    std::vector<entry_source> out;
    for (std::size_t i = 0; i < lines.size(); ++i) out.push_back({lines[i], {"policy.yaml", static_cast<int>(i) + 1, 1}});
    return out;
}

std::shared_ptr<const policy> allowing(const std::vector<std::string>& lines)
{
    policy_source source;
    source.allow = entries(lines);
    return policy::compile(source);
}

const std::vector<std::string> sample{"https://pypi.example/simple/",
                                      "GET,HEAD https://github.example/acme/",
                                      "https://*.cdn.example/",
                                      "*.actions.example:443",
                                      "git.example:22",
                                      "9.9.9.9:53",
                                      "10.20.0.0/16:5432",
                                      "udp://time.example:123",
                                      "dns:only.example",
                                      "host:5432",
                                      "http://host:8080/api/",
                                      "https://10.0.0.5/",
                                      "[2001:db8::5]:22",
                                      "udp://192.0.2.1:53",
                                      "https://alt.example:8443/",
                                      "http://mirror.example/debian"};

struct asked {
    std::string method, scheme, host;
    std::uint16_t port;
    std::string path;
    bool allowed;
    reason why;
};

class request_stage : public testing::TestWithParam<asked> {};

TEST_P(request_stage, decides)
{
    const auto& a = GetParam();
    const auto p = allowing(sample);
    const auto d =
        p->decide(http_request{.method = a.method, .scheme = a.scheme, .host = a.host, .port = a.port, .path = a.path});
    EXPECT_EQ(d.allowed(), a.allowed) << d.rule << d.hint;
    EXPECT_EQ(d.act, d.would);
    EXPECT_EQ(d.why, a.why) << to_string(d.why);
    EXPECT_EQ(d.at, stage::request);
    EXPECT_EQ(d.rule.empty(), !a.allowed);
    EXPECT_EQ(d.hint.empty(), a.allowed);
}

constexpr auto by_entry = reason::allowed_by_endpoint;

INSTANTIATE_TEST_SUITE_P(allowed, request_stage,
                         testing::Values(asked{"GET", "https", "pypi.example", 443, "/simple/x/", true, by_entry},
                                         asked{"POST", "https", "pypi.example", 443, "/simple/", true, by_entry},
                                         asked{"HEAD", "https", "github.example", 443, "/acme/r.git", true, by_entry},
                                         asked{"GET", "https", "a.cdn.example", 443, "/", true, by_entry},
                                         asked{"GET", "https", "a.actions.example", 443, "/x", true, by_entry},
                                         asked{"GET", "http", "a.actions.example", 443, "/x", true, by_entry},
                                         asked{"GET", "http", "host", 8080, "/api/x", true, by_entry},
                                         asked{"GET", "https", "10.0.0.5", 443, "/", true, by_entry},
                                         asked{"GET", "https", "::ffff:10.0.0.5", 443, "/", true, by_entry},
                                         asked{"GET", "https", "2002:a00:5::1", 443, "/", true, by_entry},
                                         asked{"GET", "http", "10.20.3.4", 5432, "/", true, by_entry},
                                         asked{"GET", "https", "alt.example", 8443, "/", true, by_entry},
                                         asked{"GET", "http", "mirror.example", 80, "/debian", true, by_entry},
                                         asked{"GET", "http", "mirror.example", 80, "/debian/x", true, by_entry},
                                         asked{"OPTIONS", "https", "a.cdn.example", 443, "*", true, by_entry},
                                         asked{"GET", "https", "pypi.example", 443, "/simple//x", true, by_entry},
                                         asked{"GET", "https", "pypi.example", 443, "/simple/@s%2Fn", true, by_entry}));
INSTANTIATE_TEST_SUITE_P(
    refused, request_stage,
    testing::Values(asked{"GET", "https", "pypi.example", 443, "/packages/", false, reason::path_not_allowed},
                    asked{"GET", "https", "pypi.example", 443, "/simple", false, reason::path_not_allowed},
                    asked{"GET", "https", "pypi.example", 443, "/simple%2Fx", false, reason::path_not_allowed},
                    asked{"GET", "https", "pypi.example", 443, "//simple/x", false, reason::path_not_allowed},
                    asked{"OPTIONS", "https", "pypi.example", 443, "*", false, reason::path_not_allowed},
                    asked{"GET", "http", "mirror.example", 80, "/debianevil", false, reason::path_not_allowed},
                    asked{"GET", "http", "pypi.example", 80, "/simple/", false, reason::port_not_allowed},
                    asked{"GET", "https", "pypi.example", 8443, "/simple/", false, reason::port_not_allowed},
                    asked{"GET", "http", "pypi.example", 443, "/simple/", false, reason::port_not_allowed},
                    asked{"POST", "https", "github.example", 443, "/acme/x", false, reason::method_not_allowed},
                    asked{"get", "https", "github.example", 443, "/acme/x", false, reason::method_not_allowed},
                    asked{"GET", "https", "only.example", 443, "/", false, reason::not_in_allow_list},
                    asked{"GET", "http", "time.example", 123, "/", false, reason::port_not_allowed},
                    asked{"GET", "https", "evil.example", 443, "/", false, reason::not_in_allow_list},
                    asked{"GET", "https", "pypi.example.evil.example", 443, "/simple/", false, reason::not_in_allow_list},
                    asked{"GET", "https", "evilpypi.example", 443, "/simple/", false, reason::not_in_allow_list},
                    asked{"GET", "https", "a.b.cdn.example", 443, "/", false, reason::not_in_allow_list},
                    asked{"GET", "https", "cdn.example", 443, "/", false, reason::not_in_allow_list},
                    asked{"GET", "https", "10.0.0.6", 443, "/", false, reason::not_in_allow_list},
                    asked{"GET", "http", "10.21.0.0", 5432, "/", false, reason::not_in_allow_list}));

struct dialled {
    transport proto;
    application app;
    std::string host, address;
    std::uint16_t port;
    bool allowed;
    reason why;
};

class connection_stage : public testing::TestWithParam<dialled> {};

TEST_P(connection_stage, decides)
{
    const auto& a = GetParam();
    const auto p = allowing(sample);
    const auto d = p->decide(connection_attempt{
        .proto = a.proto, .app = a.app, .host = a.host, .destination = {*ip_address::parse(a.address), a.port}});
    EXPECT_EQ(d.allowed(), a.allowed) << d.rule << d.hint;
    EXPECT_EQ(d.why, a.why) << to_string(d.why);
    EXPECT_EQ(d.at, stage::connection);
}

constexpr auto tcp = transport::tcp;
constexpr auto udp = transport::udp;
constexpr auto* anywhere = "198.18.0.9";

INSTANTIATE_TEST_SUITE_P(
    named, connection_stage,
    testing::Values(dialled{tcp, application::tls, "pypi.example", anywhere, 443, true, by_entry},
                    dialled{tcp, application::unknown, "pypi.example", anywhere, 443, true, by_entry},
                    dialled{tcp, application::http, "pypi.example", anywhere, 443, false, reason::port_not_allowed},
                    dialled{tcp, application::opaque, "pypi.example", anywhere, 443, false, reason::port_not_allowed},
                    dialled{tcp, application::unknown, "pypi.example", anywhere, 22, false, reason::port_not_allowed},
                    dialled{tcp, application::http, "mirror.example", anywhere, 80, true, by_entry},
                    dialled{tcp, application::unknown, "mirror.example", anywhere, 80, true, by_entry},
                    dialled{tcp, application::tls, "mirror.example", anywhere, 80, false, reason::port_not_allowed},
                    dialled{tcp, application::opaque, "git.example", anywhere, 22, true, by_entry},
                    dialled{tcp, application::unknown, "git.example", anywhere, 22, true, by_entry},
                    dialled{tcp, application::opaque, "host", anywhere, 5432, true, by_entry},
                    dialled{tcp, application::opaque, "x.actions.example", anywhere, 443, true, by_entry},
                    dialled{tcp, application::unknown, "only.example", anywhere, 443, false, reason::not_in_allow_list},
                    dialled{tcp, application::opaque, "time.example", anywhere, 123, false, reason::port_not_allowed},
                    dialled{tcp, application::tls, "evil.example", anywhere, 443, false, reason::not_in_allow_list},
                    // An allowed address does not make a name allowed, nor the other way round.
                    dialled{tcp, application::tls, "evil.example", "10.0.0.5", 443, false, reason::not_in_allow_list},
                    dialled{tcp, application::opaque, "evil.example", "9.9.9.9", 53, false, reason::not_in_allow_list}));
INSTANTIATE_TEST_SUITE_P(literal, connection_stage,
                         testing::Values(dialled{tcp, application::opaque, "", "9.9.9.9", 53, true, by_entry},
                                         dialled{tcp, application::unknown, "", "::ffff:9.9.9.9", 53, true, by_entry},
                                         dialled{tcp, application::opaque, "", "64:ff9b::909:909", 53, true, by_entry},
                                         dialled{tcp, application::opaque, "9.9.9.9", "192.0.2.9", 53, true, by_entry},
                                         dialled{tcp, application::opaque, "", "9.9.9.9", 54, false, reason::port_not_allowed},
                                         dialled{tcp, application::opaque, "", "10.20.255.1", 5432, true, by_entry},
                                         dialled{tcp, application::tls, "", "10.0.0.5", 443, true, by_entry},
                                         dialled{tcp, application::opaque, "", "10.0.0.5", 443, false, reason::port_not_allowed},
                                         dialled{tcp, application::opaque, "", "2001:db8::5", 22, true, by_entry},
                                         dialled{tcp, application::opaque, "", "0.0.0.0", 22, false, reason::not_in_allow_list},
                                         dialled{tcp, application::opaque, "", "169.254.169.254", 80, false,
                                                 reason::not_in_allow_list}));
INSTANTIATE_TEST_SUITE_P(
    datagrams, connection_stage,
    testing::Values(dialled{udp, application::unknown, "time.example", anywhere, 123, true, by_entry},
                    dialled{udp, application::unknown, "time.example", anywhere, 124, false, reason::port_not_allowed},
                    dialled{udp, application::unknown, "pypi.example", anywhere, 443, false, reason::protocol_not_allowed},
                    dialled{udp, application::unknown, "git.example", anywhere, 22, false, reason::protocol_not_allowed},
                    dialled{udp, application::unknown, "", "192.0.2.1", 53, true, by_entry},
                    dialled{udp, application::unknown, "", "9.9.9.9", 53, false, reason::protocol_not_allowed},
                    dialled{udp, application::unknown, "evil.example", anywhere, 443, false, reason::protocol_not_allowed}));

TEST(name_stage, any_entry_makes_its_names_resolvable)
{
    const auto p = allowing(sample);
    for (const auto* name : {"pypi.example", "a.cdn.example", "git.example", "time.example", "only.example", "host"}) {
        const auto d = p->decide(name_query{name, 1});
        EXPECT_TRUE(d.allowed()) << name;
        EXPECT_EQ(d.why, reason::allowed_by_endpoint);
        EXPECT_EQ(d.at, stage::name);
    }
    for (const auto* name : {"evil.example", "cdn.example", "a.b.cdn.example", "x.pypi.example", "example"}) {
        const auto d = p->decide(name_query{name, 1});
        EXPECT_FALSE(d.allowed()) << name;
        EXPECT_EQ(d.why, reason::not_in_allow_list);
        EXPECT_EQ(d.hint, std::string("dns:") + name);
    }
}

TEST(policy, empty_list_denies_all)
{
    const auto p = allowing({});
    EXPECT_FALSE(p->decide(name_query{"a.example"}).allowed());
    EXPECT_FALSE(p->decide(connection_attempt{.app = application::tls, .host = "a.example", .destination = {{}, 443}}).allowed());
    const auto d = p->decide(http_request{.method = "GET", .scheme = "https", .host = "a.example", .port = 443, .path = "/"});
    EXPECT_FALSE(d.allowed());
    EXPECT_EQ(d.why, reason::not_in_allow_list);
    EXPECT_FALSE(allowing({})->allows_address({ip_address::v4(0x09090909), 53}));
}

TEST(policy, audit_allows_and_says_what_it_would_do)
{
    policy_source source;
    source.how = mode::audit;
    const auto p = policy::compile(source);
    EXPECT_EQ(p->how(), mode::audit);
    const auto d = p->decide(http_request{.method = "GET", .scheme = "https", .host = "a.example", .port = 443, .path = "/x/y"});
    EXPECT_EQ(d.act, action::allow);
    EXPECT_EQ(d.would, action::deny);
    EXPECT_EQ(d.why, reason::not_in_allow_list);
    EXPECT_EQ(d.hint, "https://a.example/x/");
    EXPECT_EQ(d.capture, capture_level::full);
}

TEST(policy, phases_replace_the_list)
{
    policy_source source;
    source.allow = entries({"https://a.example/"});
    source.phases["build"] = {};
    source.phases["deploy"] = entries({"https://b.example/"});
    source.passthrough = entries({"pinned.example:443", "b.example:443"});
    const auto build = policy::compile(source, "build");
    const auto deploy = policy::compile(source, "deploy");
    EXPECT_EQ(build->phase(), "build");
    const auto closed = build->decide(name_query{"a.example"});
    EXPECT_EQ(closed.why, reason::phase_closed);
    EXPECT_FALSE(closed.allowed());
    EXPECT_TRUE(deploy->decide(name_query{"b.example"}).allowed());
    EXPECT_FALSE(deploy->decide(name_query{"a.example"}).allowed());
    EXPECT_TRUE(policy::compile(source)->decide(name_query{"a.example"}).allowed());

    const connection_attempt pinned{.app = application::tls, .host = "pinned.example", .destination = {{}, 443}};
    const connection_attempt listed{.app = application::tls, .host = "b.example", .destination = {{}, 443}};
    EXPECT_FALSE(build->decide(pinned).allowed());
    EXPECT_FALSE(deploy->decide(pinned).allowed());
    EXPECT_EQ(deploy->decide(listed).why, reason::allowed_by_passthrough);
    EXPECT_EQ(policy::compile(source)->decide(pinned).why, reason::allowed_by_passthrough);
}

TEST(policy, passthrough_on_reject_allows_nothing_by_itself)
{
    policy_source source;
    source.passthrough_on_reject = entries({"pinned.example:443", "*.pins.example:8443"});
    const auto p = policy::compile(source);
    EXPECT_TRUE(p->passthrough_on_reject("pinned.example", 443));
    EXPECT_TRUE(p->passthrough_on_reject("a.pins.example", 8443));
    EXPECT_FALSE(p->passthrough_on_reject("pinned.example", 8443));
    EXPECT_FALSE(p->passthrough_on_reject("other.example", 443));
    EXPECT_FALSE(p->passthrough("pinned.example", 443));
    const connection_attempt pinned{.app = application::tls, .host = "pinned.example", .destination = {{}, 443}};
    EXPECT_FALSE(p->decide(pinned).allowed());
    EXPECT_FALSE(p->decide(name_query{"pinned.example"}).allowed());
}

TEST(policy, passthrough_is_by_name_and_port)
{
    policy_source source;
    source.passthrough = entries({"pinned.example:443", "*.pins.example:8443"});
    const auto p = policy::compile(source);
    EXPECT_TRUE(p->passthrough("pinned.example", 443));
    EXPECT_FALSE(p->passthrough("pinned.example", 444));
    EXPECT_TRUE(p->passthrough("a.pins.example", 8443));
    EXPECT_FALSE(p->passthrough("pins.example", 8443));
    EXPECT_EQ(p->decide(name_query{"pinned.example"}).why, reason::allowed_by_passthrough);
    connection_attempt c{.app = application::opaque, .host = "pinned.example", .destination = {{}, 443}};
    EXPECT_FALSE(p->decide(c).allowed()); // spliced is TLS, not any byte stream
    c.app = application::unknown;
    EXPECT_TRUE(p->decide(c).allowed());
    c.proto = transport::udp;
    EXPECT_FALSE(p->decide(c).allowed());
}

TEST(policy, the_documented_sample_loads)
{
    policy_source source;
    source.allow = entries({"https://pypi.example/simple/", "GET,HEAD https://github.com/acme/",
                            "https://*.githubusercontent.com/", "*.actions.githubusercontent.com:443", "staex.io:22",
                            "9.9.9.9:53", "10.20.0.0/16:5432", "udp://time.cloudflare.com:123", "dns:example.org", "host:5432"});
    const auto* uploads = R"(http.req.method == "POST" && not (http.req.host in ["api.staging.acme.test"]))";
    source.rules = {{"no uploads", uploads, "deny", "full", {}}};
    source.phases["build"] = {};
    source.passthrough = entries({"pinned.example:443"});
    EXPECT_NO_THROW(static_cast<void>(policy::compile(source)));
}

TEST(policy, addresses_and_udp_ports)
{
    auto lines = sample;
    lines.push_back("udp://other.example:53");
    const auto p = allowing(lines);
    EXPECT_THAT(p->udp_ports(), ElementsAre(53, 123));
    EXPECT_TRUE(p->allows_address({*ip_address::parse("10.20.1.1"), 5432}));
    EXPECT_FALSE(p->allows_address({*ip_address::parse("10.20.1.1"), 443}));
    EXPECT_TRUE(p->allows_address({*ip_address::parse("::ffff:10.0.0.5"), 443}));
    EXPECT_TRUE(p->allows_address({*ip_address::parse("192.0.2.1"), 53}));
    EXPECT_FALSE(p->allows_address({*ip_address::parse("192.0.2.2"), 53}));
}

std::string load_error(const policy_source& source, std::string_view phase = {})
{
    try {
        static_cast<void>(policy::compile(source, phase));
        return "loaded";
    }
    catch (const policy_error& wrong) {
        return wrong.what();
    }
}

TEST(policy, a_mistake_anywhere_stops_the_load)
{
    policy_source source;
    source.allow = entries({"https://a.example/", "a.example"});
    EXPECT_THAT(load_error(source), HasSubstr("policy.yaml:2:1: a port is missing"));
    source.allow.pop_back();
    source.phases["build"] = entries({"*:443"});
    EXPECT_THAT(load_error(source), HasSubstr("policy.yaml:1:1: '*'"));
    EXPECT_THAT(load_error(source, "build"), HasSubstr("policy.yaml:1:1: '*'"));
    source.phases.clear();
    EXPECT_THAT(load_error(source, "build"), HasSubstr("no phase 'build'"));
    source.passthrough = entries({"https://a.example/"});
    EXPECT_THAT(load_error(source), HasSubstr("expected 'NAME:PORT'"));
    source.passthrough.clear();
    source.rules = {{"odd", "true and", "deny", "", {"policy.yaml", 9, 5}}};
    EXPECT_THAT(load_error(source), HasSubstr("policy.yaml:9:5: rule 'odd', column 9 of the expression: expected a field"));
    source.rules = {{"odd", "true", "block", "", {"policy.yaml", 9, 5}}};
    EXPECT_THAT(load_error(source), HasSubstr("unknown action 'block'; expected allow, deny or alert"));
    source.rules = {{"odd", "true", "deny", "all", {"policy.yaml", 9, 5}}};
    EXPECT_THAT(load_error(source), HasSubstr("unknown capture level 'all'"));
}

TEST(hint, is_the_narrowest_line)
{
    const auto p = allowing({"GET https://b.example/x/"});
    const auto request_hint = [&](std::string_view method, std::string_view scheme, std::string_view host, std::uint16_t port,
                                  std::string_view path) {
        return p->decide(http_request{.method = method, .scheme = scheme, .host = host, .port = port, .path = path}).hint;
    };
    EXPECT_EQ(request_hint("GET", "https", "a.example", 443, "/one/two"), "https://a.example/one/");
    EXPECT_EQ(request_hint("GET", "https", "a.example", 443, "/one"), "https://a.example/");
    EXPECT_EQ(request_hint("GET", "http", "a.example", 8080, "/one/"), "http://a.example:8080/one/");
    EXPECT_EQ(request_hint("GET", "https", "2001:db8::1", 443, "/"), "https://[2001:db8::1]/");
    EXPECT_EQ(request_hint("POST", "https", "b.example", 443, "/x/y/z"), "POST https://b.example/x/y/");
    EXPECT_EQ(request_hint("post", "https", "b.example", 443, "/x/y/z"), "https://b.example/x/y/");
    EXPECT_EQ(request_hint("GET", "https", "a.example", 443, "/one//two/three"), "https://a.example/one/");
    EXPECT_EQ(request_hint("GET", "https", "a.example", 443, "/a/*/b"), "https://a.example/a/");
    EXPECT_EQ(request_hint("OPTIONS", "https", "a.example", 443, "*"), "https://a.example/");
    EXPECT_EQ(request_hint("GET", "https", "a.example", 443, "/" + std::string(300, 'x') + "/y"), "https://a.example/");
    const auto connection_hint = [&](transport proto, application app, std::string_view host, std::uint16_t port) {
        return p
            ->decide(
                connection_attempt{.proto = proto, .app = app, .host = host, .destination = {ip_address::v4(0xC0000201), port}})
            .hint;
    };
    EXPECT_EQ(connection_hint(tcp, application::opaque, "a.example", 22), "a.example:22");
    EXPECT_EQ(connection_hint(tcp, application::opaque, "", 22), "192.0.2.1:22");
    EXPECT_EQ(connection_hint(tcp, application::tls, "a.example", 8443), "https://a.example:8443/");
    EXPECT_EQ(connection_hint(udp, application::unknown, "a.example", 123), "udp://a.example:123");
}

class hint_allows_what_was_refused : public testing::TestWithParam<std::string> {};

TEST_P(hint_allows_what_was_refused, for_every_kind_of_question)
{
    const std::string host = GetParam();
    const auto before = allowing({"M https://b.example/x/", "dns:dns"});
    const auto agrees = [&](const auto& question) {
        const auto d = before->decide(question);
        ASSERT_FALSE(d.allowed());
        EXPECT_TRUE(allowing({d.hint})->decide(question).allowed()) << d.hint;
    };
    for (const std::string path :
         {"/", "*", "/a", "/a/b/", "/x/y", "//", "//a", "/a//b/c", "/@s%2Fn/x", "/%25/a%20b/'c'/{d}/e", "/a/*/**/c", "/:/;/x"}) {
        for (const auto* method : {"GET", "post", "X!Y"}) {
            agrees(http_request{.method = method, .scheme = "https", .host = host, .port = 443, .path = path});
            agrees(http_request{.method = method, .scheme = "http", .host = host, .port = 53, .path = path});
        }
    }
    const auto literal = ip_address::parse(host);
    for (const auto app : {application::unknown, application::http, application::tls, application::opaque}) {
        agrees(connection_attempt{.app = app, .host = host, .destination = {ip_address::v4(0xC6120001), 53}});
        agrees(connection_attempt{.proto = udp, .app = app, .host = host, .destination = {ip_address::v4(0xC6120001), 53}});
        if (literal) agrees(connection_attempt{.app = app, .destination = {*literal, 443}});
    }
    const bool listed = host == "dns" || host == "b.example";
    if (!literal && !listed) agrees(name_query{host, 28});
}

INSTANTIATE_TEST_SUITE_P(hosts, hint_allows_what_was_refused,
                         testing::Values("a.example", "b.example", "_x._tcp.a.example", "host", "dns", "udp",
                                         "xn--bcher-kva.example", "github.io", "com", "192.0.2.7", "2001:db8::7",
                                         "::ffff:192.0.2.7", "2002:c000:207::1", "64:ff9b::c000:207"));

TEST(to_string, tokens)
{
    EXPECT_EQ(to_string(action::deny), "deny");
    EXPECT_EQ(to_string(mode::audit), "audit");
    EXPECT_EQ(to_string(stage::connection), "connection");
    EXPECT_EQ(to_string(capture_level::headers), "headers");
}

TEST(policy_names, tell_by_what_they_matched)
{
    policy_source source;
    source.how = mode::audit;
    source.allow = entries({"https://a.example/", "*.cdn.example:443", "dns:*.cdn.example", "https://x.cdn.example/"});
    source.allow[1].dns_bits = 64;
    source.allow[2].dns_bits = 512;
    source.passthrough = entries({"**.pinned.example:443"});
    const auto rules = policy::compile(source);
    const auto matched = [&](std::string_view name) { return rules->decide(name_query{name, 1}).matched; };
    EXPECT_EQ(matched("a.example").how, name_match::kind::exact);
    EXPECT_EQ(matched("x.cdn.example").how, name_match::kind::exact) << "the narrower one";
    EXPECT_EQ(matched("y.cdn.example").how, name_match::kind::wildcard);
    EXPECT_EQ(matched("y.cdn.example").suffix, "cdn.example");
    EXPECT_EQ(matched("y.cdn.example").dns_bits, 512U) << "the most generous entry of one wildcard";
    EXPECT_EQ(matched("a.b.pinned.example").suffix, "pinned.example");
    EXPECT_EQ(matched("evil.example").how, name_match::kind::none) << "allowed in mode audit, but by nothing";
}

} // namespace
} // namespace cofferdam::policy
