#include "gateway/encrypted_dns.hpp"
#include "gateway/known_resolvers.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;
using namespace cofferdam::gateway;
using policy::application;
using policy::transport;

namespace {

std::shared_ptr<const policy::policy> rules_of(const std::vector<std::string>& allow,
                                               const std::vector<std::string>& passthrough = {},
                                               policy::mode how = policy::mode::enforce)
{
    policy::policy_source source;
    source.how = how;
    for (const auto& line : allow) source.allow.push_back({line, {}});
    for (const auto& line : passthrough) source.passthrough.push_back({line, {}});
    return policy::policy::compile(source);
}

policy::connection_attempt attempt(transport proto, application app, std::string_view host, std::string_view address,
                                   std::uint16_t port)
{
    policy::connection_attempt out;
    out.proto = proto;
    out.app = app;
    out.host = host;
    out.destination = {ip_address::parse(address).value(), port};
    return out;
}

policy::decision named(const policy::policy& rules, const policy::connection_attempt& what)
{
    return named_refusal(rules.decide(what), what);
}

policy::http_request request(std::string_view method, std::string_view host, std::string_view path, std::string_view query = {})
{
    policy::http_request out;
    out.method = method;
    out.scheme = "https";
    out.host = host;
    out.port = 443;
    out.path = path;
    out.query = query;
    static const policy::header_list none;
    out.headers = &none;
    return out;
}

const std::vector<http::field> dns_message{{"Content-Type", "application/dns-message"}};

policy::decision doh(const policy::policy& rules, const policy::http_request& what, const std::vector<http::field>& fields = {})
{
    return judge_doh(rules, what, fields, rules.decide(what));
}

policy::decision tls(const policy::policy& rules, std::string_view host, std::uint16_t port,
                     const std::vector<std::string>& alpn = {})
{
    const auto what = attempt(transport::tcp, application::tls, host, "198.18.0.1", port);
    return judge_tls(rules, what, is_dns_over_tls(port, alpn), rules.passthrough(host, port), rules.decide(what));
}

} // namespace

TEST(known_resolvers, by_name_zone_and_address)
{
    for (const char* host : {"dns.google", "cloudflare-dns.com", "one.one.one.one", "dns.quad9.net", "dns.adguard.com",
                             "doh.opendns.com", "abc123.dns.nextdns.io", "8.8.8.8", "2001:4860:4860::8888", "::ffff:9.9.9.9"})
        EXPECT_TRUE(is_known_resolver(host)) << host;
    for (const char* host : {"google", "www.google", "dns.google.evil.example", "xdns.google", "dns.nextdns.io.example",
                             "8.8.8.9", "", "#", "Google"})
        EXPECT_FALSE(is_known_resolver(host)) << host;
}

TEST(encrypted_dns, refused_packets_are_named_by_their_port)
{
    const auto rules = rules_of({});
    const auto udp = [&](std::uint16_t port) {
        return named(*rules, attempt(transport::udp, application::opaque, "", "203.0.113.9", port));
    };
    for (const auto port : std::initializer_list<std::uint16_t>{784, 853, 8853}) {
        EXPECT_EQ(udp(port).why, reason::encrypted_dns) << port;
        EXPECT_NE(udp(port).detail.find("DNS over QUIC"), std::string::npos) << port;
    }
    for (const auto port : std::initializer_list<std::uint16_t>{137, 138, 5353, 5355}) {
        EXPECT_EQ(udp(port).why, reason::multicast_dns) << port;
        EXPECT_NE(udp(port).detail.find("(UDP port " + std::to_string(port) + ")"), std::string::npos) << udp(port).detail;
        EXPECT_EQ(udp(port).hint, "") << "no line is suggested blindly";
    }
    EXPECT_EQ(udp(123).why, reason::protocol_not_allowed);
    EXPECT_EQ(udp(123).hint, "udp://203.0.113.9:123");
    EXPECT_EQ(named(*rules, attempt(transport::tcp, application::opaque, "", "203.0.113.9", 5355)).why, reason::multicast_dns);
    EXPECT_EQ(named(*rules, attempt(transport::tcp, application::opaque, "", "203.0.113.9", 853)).why, reason::encrypted_dns);
}

TEST(encrypted_dns, dns_over_tcp_on_another_port_is_named)
{
    using namespace std::string_literals;
    const auto message = "\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\0\0\x01\0\x01"s;
    const auto framed = "\0"s + static_cast<char>(message.size()) + message;
    const auto rules = rules_of({"listed.example:5300"});
    const auto what = attempt(transport::tcp, application::opaque, "", "203.0.113.9", 5300);
    const auto of = [&](const std::string& first) { return named_refusal(rules->decide(what), what, as_bytes(first)).why; };
    EXPECT_EQ(of(framed), reason::dns_on_other_port);
    EXPECT_EQ(of(message), reason::not_in_allow_list) << "no length";
    EXPECT_EQ(of(framed + "more"), reason::not_in_allow_list) << "a length that is not its own";
    EXPECT_EQ(of(framed.substr(0, 10)), reason::not_in_allow_list);
    EXPECT_EQ(of(""), reason::not_in_allow_list);
    const auto listed = attempt(transport::tcp, application::opaque, "listed.example", "198.18.0.1", 5300);
    EXPECT_TRUE(named_refusal(rules->decide(listed), listed, as_bytes(framed)).allowed()) << "a listed stream is opaque";
}

TEST(encrypted_dns, what_an_entry_allows_is_left_alone)
{
    const auto rules = rules_of({"udp://printer.corp:5353", "udp://resolver.example:853", "resolver.example:853"});
    EXPECT_TRUE(named(*rules, attempt(transport::udp, application::opaque, "printer.corp", "198.18.0.1", 5353)).allowed());
    EXPECT_TRUE(named(*rules, attempt(transport::udp, application::opaque, "resolver.example", "198.18.0.1", 853)).allowed());
    EXPECT_TRUE(named(*rules, attempt(transport::tcp, application::opaque, "resolver.example", "198.18.0.1", 853)).allowed());
}

TEST(encrypted_dns, known_resolvers_are_named)
{
    const auto rules = rules_of({});
    const auto by_name = tls(*rules, "dns.google", 443);
    EXPECT_EQ(by_name.why, reason::encrypted_dns);
    EXPECT_EQ(by_name.detail, "TLS to dns.google, a public resolver");
    EXPECT_EQ(by_name.hint, "https://dns.google/dns-query");
    const auto by_address = named(*rules, attempt(transport::tcp, application::tls, "", "1.1.1.1", 443));
    EXPECT_EQ(by_address.hint, "https://1.1.1.1/dns-query");
    EXPECT_EQ(named(*rules, attempt(transport::udp, application::opaque, "", "8.8.8.8", 443)).detail,
              "QUIC to 8.8.8.8, a public resolver");
    EXPECT_EQ(tls(*rules, "echo.example", 443).why, reason::not_in_allow_list);
    const policy::name_query query{"dns.google"};
    EXPECT_EQ(named_refusal(rules->decide(query), query).why, reason::encrypted_dns);
    const policy::name_query other{"echo.example"};
    EXPECT_EQ(named_refusal(rules->decide(other), other).why, reason::not_in_allow_list);
}

TEST(encrypted_dns, dns_over_tls_is_passed_through_or_not_at_all)
{
    const auto rules = rules_of({"resolver.example:853", "https://echo.example/"}, {"good.example:853", "good.example:443"});
    const auto refused = tls(*rules, "resolver.example", 853);
    EXPECT_EQ(refused.why, reason::encrypted_dns) << "TLS would be opened, and there is no HTTP in it";
    EXPECT_EQ(refused.detail, "DNS over TLS (TCP port 853)");
    EXPECT_EQ(refused.hint, "tls.passthrough: [\"resolver.example:853\"]");
    EXPECT_EQ(tls(*rules, "echo.example", 443, {"dot"}).detail, "DNS over TLS (ALPN \"dot\")");
    EXPECT_FALSE(tls(*rules, "good.example", 443, {"dot"}).allowed()) << "that entry is for something else";
    EXPECT_TRUE(tls(*rules, "good.example", 853, {"dot"}).allowed());
    EXPECT_TRUE(tls(*rules, "good.example", 853).allowed());
    EXPECT_TRUE(tls(*rules, "echo.example", 443, {"h2", "http/1.1"}).allowed());
}

TEST(encrypted_dns, a_resolver_is_passed_through_by_its_own_name_only)
{
    const auto wild = rules_of({}, {"*.quad9.net:443"});
    EXPECT_EQ(tls(*wild, "dns.quad9.net", 443).why, reason::encrypted_dns);
    EXPECT_TRUE(tls(*wild, "www.quad9.net", 443).allowed());
    EXPECT_TRUE(tls(*rules_of({}, {"dns.quad9.net:443"}), "dns.quad9.net", 443).allowed());
}

TEST(encrypted_dns, doh_needs_an_entry_for_just_that_url)
{
    const auto query = request("POST", "resolver.example", "/dns-query");
    for (const char* line : {"resolver.example:443", "https://resolver.example/", "https://resolver.example",
                             "https://*.example/", "GET https://resolver.example/dns-query", "http://resolver.example/dns-query",
                             "https://other.example/dns-query", "https://resolver.example/dns"}) {
        const auto verdict = doh(*rules_of({line}), query, dns_message);
        EXPECT_FALSE(verdict.allowed()) << line;
        EXPECT_EQ(verdict.why, reason::encrypted_dns) << line;
        EXPECT_EQ(verdict.detail, "DNS over HTTPS, POST application/dns-message") << line;
        EXPECT_EQ(verdict.hint, "https://resolver.example/dns-query") << line;
        EXPECT_TRUE(doh(*rules_of({line, verdict.hint}), query, dns_message).allowed()) << "the hint helps";
    }
    EXPECT_TRUE(doh(*rules_of({"POST https://*.example/dns-query"}), query, dns_message).allowed());
    EXPECT_FALSE(doh(*rules_of({"https://a.example/api/"}), request("POST", "a.example", "/api/x"), dns_message).allowed())
        << "below a prefix is not enough";
    EXPECT_FALSE(doh(*rules_of({"https://a.example/"}), request("POST", "a.example", "/"), dns_message).allowed());
    EXPECT_EQ(doh(*rules_of({"https://a.example/"}), request("POST", "a.example", "/"), dns_message).hint, "")
        << "no line names it";
    EXPECT_TRUE(doh(*rules_of({"https://a.example/"}), request("POST", "a.example", "/")).allowed());
}

TEST(encrypted_dns, rules_decide_before_and_do_not_open_it)
{
    policy::policy_source source;
    source.rules = {{"no posts", "http.req.method == \"POST\"", "deny", "", {}}, {"all", "dst.port == 443", "allow", "", {}}};
    source.allow = {{"https://a.example/dns-query", {}}};
    const auto rules = policy::policy::compile(source);
    const auto posted = doh(*rules, request("POST", "a.example", "/dns-query"), dns_message);
    EXPECT_EQ(posted.why, reason::denied_by_rule);
    EXPECT_EQ(posted.detail, "DNS over HTTPS, POST application/dns-message");
    EXPECT_EQ(doh(*rules, request("GET", "b.example", "/dns-query", "name=x")).why, reason::encrypted_dns);
    EXPECT_TRUE(doh(*rules, request("GET", "a.example", "/dns-query", "name=x")).allowed());
}

TEST(encrypted_dns, mode_audit_lets_it_through_and_says_so)
{
    const auto rules = rules_of({"https://a.example/"}, {}, policy::mode::audit);
    const auto verdict = doh(*rules, request("POST", "a.example", "/x"), dns_message);
    EXPECT_TRUE(verdict.allowed());
    EXPECT_EQ(verdict.would, policy::action::deny);
    EXPECT_EQ(verdict.why, reason::encrypted_dns);
    const auto over_tls = tls(*rules, "a.example", 853);
    EXPECT_TRUE(over_tls.allowed());
    EXPECT_EQ(over_tls.would, policy::action::deny);
}

TEST(encrypted_dns, answers_are_judged_by_their_type)
{
    const auto rules = rules_of({"https://a.example/", "https://a.example/dns-query"});
    const auto refused = judge_doh_answer(*rules, request("POST", "a.example", "/x"), {{"content-type", "application/dns-json"}});
    ASSERT_TRUE(refused);
    EXPECT_FALSE(refused->allowed());
    EXPECT_EQ(refused->at, policy::stage::content);
    EXPECT_EQ(refused->hint, "https://a.example/x");
    EXPECT_FALSE(judge_doh_answer(*rules, request("POST", "a.example", "/dns-query"), dns_message));
    EXPECT_FALSE(judge_doh_answer(*rules, request("POST", "a.example", "/x"), {{"Content-Type", "application/json"}}));
}
