#include "policy/policy.hpp"

#include <gtest/gtest.h>

namespace cofferdam::policy {
namespace {

std::shared_ptr<const policy> with(std::vector<rule_source> rules, const std::vector<std::string>& allow = {},
                                   const std::vector<std::string>& passthrough = {})
{
    policy_source source;
    source.rules = std::move(rules);
    for (const auto& line : allow) source.allow.push_back({line, {}});
    for (const auto& line : passthrough) source.passthrough.push_back({line, {}});
    return policy::compile(source);
}

rule_source rule(std::string name, std::string expr, std::string action, std::string capture = {})
{
    return {std::move(name), std::move(expr), std::move(action), std::move(capture), {}};
}

http_request request(std::string_view method, std::string_view host, std::string_view path)
{
    return {.method = method, .scheme = "https", .host = host, .port = 443, .path = path};
}

connection_attempt connection(application app, std::string_view host, std::uint16_t port = 443)
{
    return {.app = app, .host = host, .destination = {{}, port}};
}

const auto no_uploads =
    rule("no uploads", R"(http.req.method == "POST" && not (http.req.host in ["api.staging.acme.test"]))", "deny", "full");

TEST(rules, come_before_the_list)
{
    const auto p = with({no_uploads}, {"https://a.example/", "https://api.staging.acme.test/"});
    const auto d = p->decide(request("POST", "a.example", "/"));
    EXPECT_FALSE(d.allowed());
    EXPECT_EQ(d.why, reason::denied_by_rule);
    EXPECT_EQ(d.rule, "no uploads");
    EXPECT_EQ(d.hint, "");
    EXPECT_EQ(d.capture, capture_level::full);
    EXPECT_TRUE(p->decide(request("GET", "a.example", "/")).allowed());
    EXPECT_TRUE(p->decide(request("POST", "api.staging.acme.test", "/")).allowed());
}

TEST(rules, first_allow_or_deny_decides)
{
    const auto p = with({rule("yes", R"(http.req.path == "/a")", "allow"), rule("no", R"(dst.domain == "a.example")", "deny"),
                         rule("late", "true", "allow")});
    EXPECT_EQ(p->decide(request("GET", "a.example", "/a")).rule, "yes");
    EXPECT_EQ(p->decide(request("GET", "a.example", "/b")).rule, "no");
    EXPECT_EQ(p->decide(request("GET", "b.example", "/b")).rule, "late");
    EXPECT_EQ(p->decide(request("GET", "b.example", "/b")).why, reason::allowed_by_rule);
}

TEST(rules, an_erring_rule_does_not_match)
{
    const auto p =
        with({rule("deny", R"(http.req.headers.x == "1")", "deny"), rule("allow", R"(http.req.headers.y != "1")", "allow")});
    EXPECT_EQ(p->decide(request("GET", "a.example", "/")).why, reason::not_in_allow_list);
}

TEST(rules, deny_early_only_where_definitely_true)
{
    const auto p = with({no_uploads, rule("no evil", R"(in_zone(dst.domain, "evil.example"))", "deny")},
                        {"https://a.example/", "https://**.evil.example/"});
    EXPECT_TRUE(p->decide(name_query{"a.example"}).allowed());
    EXPECT_TRUE(p->decide(connection(application::tls, "a.example")).allowed());
    const auto d = p->decide(name_query{"x.evil.example"});
    EXPECT_FALSE(d.allowed());
    EXPECT_EQ(d.rule, "no evil");
    EXPECT_FALSE(p->decide(connection(application::unknown, "x.evil.example")).allowed());
}

TEST(rules, an_allow_rule_that_could_be_true_lets_go_on)
{
    const auto p = with({rule("api", R"(http.req.host == "a.example" and http.req.method == "GET")", "allow")});
    EXPECT_EQ(p->decide(name_query{"a.example"}).why, reason::allowed_by_rule);
    EXPECT_TRUE(p->decide(connection(application::unknown, "a.example")).allowed());
    EXPECT_TRUE(p->decide(connection(application::tls, "a.example")).allowed());
    EXPECT_TRUE(p->decide(request("GET", "a.example", "/")).allowed());
    EXPECT_FALSE(p->decide(request("PUT", "a.example", "/")).allowed());
    EXPECT_FALSE(p->decide(name_query{"b.example"}).allowed());
    EXPECT_FALSE(p->decide(connection(application::tls, "b.example")).allowed());
}

TEST(rules, an_earlier_allow_that_could_be_true_holds_back_a_later_deny)
{
    const auto p =
        with({rule("one path", R"(http.req.path == "/ok")", "allow"), rule("rest", R"(dst.domain == "a.example")", "deny")});
    EXPECT_TRUE(p->decide(connection(application::tls, "a.example")).allowed());
    EXPECT_TRUE(p->decide(request("GET", "a.example", "/ok")).allowed());
    EXPECT_FALSE(p->decide(request("GET", "a.example", "/no")).allowed());
}

TEST(rules, nothing_is_decided_later_for_byte_streams)
{
    const auto p = with({rule("gets", R"(dst.domain == "a.example" and http.req.method == "GET")", "allow"),
                         rule("ssh", R"(dst.domain == "git.example" and dst.port == 22)", "allow")},
                        {}, {"a.example:8443"});
    EXPECT_FALSE(p->decide(connection(application::opaque, "a.example")).allowed());
    EXPECT_TRUE(p->decide(connection(application::opaque, "git.example", 22)).allowed());
    auto datagram = connection(application::unknown, "a.example");
    datagram.proto = transport::udp;
    EXPECT_FALSE(p->decide(datagram).allowed());
    // Passed through unopened: allowed by the passthrough entry, not by a rule about requests that nobody will see.
    EXPECT_EQ(p->decide(connection(application::tls, "a.example", 8443)).why, reason::allowed_by_passthrough);
}

TEST(rules, the_dialled_address_allows_no_name)
{
    const auto p = with({rule("lan", "dst.ip == 10.0.0.0/8", "allow")});
    auto c = connection(application::tls, "evil.example");
    c.destination.address = *ip_address::parse("10.0.0.1");
    EXPECT_FALSE(p->decide(c).allowed());
    EXPECT_FALSE(p->decide(name_query{"evil.example"}).allowed());
    c.host = {};
    EXPECT_TRUE(p->decide(c).allowed());
}

TEST(rules, judge_both_readings_of_a_path)
{
    const auto p = with({rule("secret", R"(http.req.path =~ /^\/a\/secret(\/|$)/)", "deny"),
                         rule("a", R"(starts_with(http.req.path, "/@s/"))", "allow")},
                        {"https://a.example/"});
    for (const auto* path : {"/a/secret", "//a/secret/x", "/a//secret", "/a%2Fsecret", "/a/%2Fsecret/x"}) {
        EXPECT_EQ(p->decide(request("GET", "a.example", path)).why, reason::denied_by_rule) << path;
    }
    EXPECT_TRUE(p->decide(request("GET", "a.example", "/a//public")).allowed());
    EXPECT_EQ(p->decide(request("GET", "b.example", "/@s/n")).why, reason::allowed_by_rule);
    EXPECT_FALSE(p->decide(request("GET", "b.example", "/@s%2Fn")).allowed()); // true in one reading only
}

TEST(rules, alert_only_marks)
{
    const auto p = with({rule("seen", R"(http.req.method == "POST")", "alert", "headers"),
                         rule("deny", R"(http.req.path == "/no")", "deny"), rule("after", R"(http.req.path == "/no")", "alert")},
                        {"https://a.example/"});
    const auto get = p->decide(request("GET", "a.example", "/"));
    EXPECT_FALSE(get.alert);
    EXPECT_EQ(get.capture, capture_level::summary);
    const auto post = p->decide(request("POST", "a.example", "/"));
    EXPECT_TRUE(post.allowed());
    EXPECT_TRUE(post.alert);
    EXPECT_EQ(post.rule, "https://a.example/");
    EXPECT_EQ(post.capture, capture_level::headers);
    const auto no = p->decide(request("GET", "a.example", "/no"));
    EXPECT_FALSE(no.allowed());
    EXPECT_TRUE(no.alert);
    EXPECT_EQ(no.capture, capture_level::full);
}

TEST(rules, capture_of_the_deciding_rule_counts)
{
    const auto p = with({rule("quiet", "true", "allow", "none"), rule("loud", "true", "alert", "full")});
    EXPECT_EQ(p->decide(request("GET", "a.example", "/")).capture, capture_level::none);
}

TEST(rules, audit_mode_lets_a_deny_rule_pass)
{
    policy_source source;
    source.how = mode::audit;
    source.rules = {rule("no", "true", "deny")};
    const auto d = policy::compile(source)->decide(request("GET", "a.example", "/"));
    EXPECT_TRUE(d.allowed());
    EXPECT_EQ(d.would, action::deny);
    EXPECT_EQ(d.rule, "no");
}

} // namespace
} // namespace cofferdam::policy
