#include "policy/expr.hpp"

#include <gtest/gtest.h>

namespace cofferdam::policy::expr {
namespace {

template <class Question>
truth judged(const Question& question, std::string_view text)
{
    const fields known(question);
    return expression::compile(text).evaluate(known);
}

connection_attempt attempt(application app, std::uint16_t port = 443)
{
    return {.app = app,
            .host = "a.example",
            .destination = {ip_address::v4(0xC6120001), port},
            .sni = "a.example",
            .alpn = "http/1.1"};
}

TEST(fields_at_name, know_the_name_and_nothing_else)
{
    const name_query q{"a.example", 1};
    EXPECT_EQ(judged(q, "dst.domain == \"a.example\""), truth::yes);
    EXPECT_EQ(judged(q, "http.req.host == \"a.example\""), truth::yes);
    EXPECT_EQ(judged(q, "http.req.host == \"b.example\""), truth::no);
    EXPECT_EQ(judged(q, "direction == \"egress\""), truth::yes);
    for (const auto* text :
         {"http.req.method == \"GET\"", "http.req.path == \"/\"", "dst.port == 443", "tls.enabled", "protocol == \"http1\"",
          "src.ip == 10.0.0.1", "http.req.scheme == \"https\"", "http.req.headers.a == \"b\""}) {
        EXPECT_EQ(judged(q, text), truth::later) << text;
    }
    EXPECT_EQ(judged(q, "dst.ip == 10.0.0.0/8"), truth::error); // a name is dialled by its name: there never is one
}

TEST(fields_at_name, host_may_still_get_a_port)
{
    const name_query q{"a.example", 1};
    EXPECT_EQ(judged(q, "http.req.host == \"a.example:8443\""), truth::later);
    EXPECT_EQ(judged(q, "http.req.host == \"aa.example:8443\""), truth::no);
    EXPECT_EQ(judged(q, "http.req.host in [\"b.example\", \"a.example:8443\"]"), truth::later);
    EXPECT_EQ(judged(q, "not (http.req.host in [\"a.example:8443\"])"), truth::later);
    EXPECT_EQ(judged(q, "starts_with(http.req.host, \"a.example:\")"), truth::later);
    EXPECT_EQ(judged(q, "http.req.host contains \":84\""), truth::later);
    EXPECT_EQ(judged(q, "http.req.host contains \"evil\""), truth::no);
    EXPECT_EQ(judged(q, "http.req.host =~ /:8443$/"), truth::later);
    EXPECT_EQ(judged(q, "http.req.host =~ /^(?:b|c)\\.example$/"), truth::no);
    EXPECT_EQ(judged(q, "zone(http.req.host) == \"a.example\""), truth::yes);
}

TEST(fields_at_connection, of_tls)
{
    const auto c = attempt(application::tls);
    for (const auto* text : {"tls.enabled", "tls.sni == \"a.example\"", "tls.alpn == \"http/1.1\"",
                             "http.req.scheme == \"https\"", "http.req.host == \"a.example\"", "dst.port == 443"}) {
        EXPECT_EQ(judged(c, text), truth::yes) << text;
    }
    EXPECT_EQ(judged(c, "http.req.path == \"/\""), truth::later);
    EXPECT_EQ(judged(c, "src.ip == 10.0.0.1"), truth::error);
    EXPECT_EQ(judged(attempt(application::tls, 8443), "http.req.host == \"a.example:8443\""), truth::yes);
    EXPECT_EQ(judged(attempt(application::tls, 8443), "http.req.host == \"a.example\""), truth::no);
}

TEST(fields_at_connection, of_a_byte_stream_have_no_http)
{
    const auto c = attempt(application::opaque, 22);
    EXPECT_EQ(judged(c, "http.req.host == \"a.example\""), truth::error);
    EXPECT_EQ(judged(c, "http.req.method == \"GET\""), truth::error);
    EXPECT_EQ(judged(c, "protocol == \"tcp\" and not tls.enabled"), truth::yes);
    auto u = attempt(application::unknown, 123);
    u.proto = transport::udp;
    EXPECT_EQ(judged(u, "protocol == \"udp\" and not tls.enabled"), truth::yes);
    EXPECT_EQ(judged(u, "http.req.method == \"GET\""), truth::error);
}

TEST(fields, dialled_address_counts_only_where_no_name_is_judged)
{
    auto c = attempt(application::opaque);
    EXPECT_EQ(judged(c, "dst.ip == 198.18.0.0/15"), truth::error);
    c.host = {};
    EXPECT_EQ(judged(c, "dst.ip == 198.18.0.0/15"), truth::yes);
    EXPECT_EQ(judged(c, "dst.domain == \"a.example\""), truth::error);
    http_request r{.method = "GET", .scheme = "http", .host = "::ffff:10.0.0.1", .port = 80, .path = "/"};
    EXPECT_EQ(judged(r, "dst.ip == 10.0.0.1"), truth::yes);
}

TEST(fields, of_the_source)
{
    const auto process = std::make_shared<const process_identity>(process_identity{7, "/usr/bin/git", {}, 1000});
    const flow_source source{{ip_address::v4(0x0A000001), 40000}, process};
    auto c = attempt(application::tls);
    c.source = &source;
    for (const auto* text :
         {"src.process.path == '/usr/bin/git'", "src.process.binary == 'git'", "src.process.user.id == 1000"}) {
        EXPECT_EQ(judged(c, text), truth::yes) << text;
    }
    EXPECT_EQ(judged(c, "src.ip == 10.0.0.1 and src.port == 40000"), truth::yes);
    const flow_source unknown{source.address, nullptr};
    c.source = &unknown;
    EXPECT_EQ(judged(c, "src.process.binary == \"git\""), truth::error);
}

TEST(fields, host_and_url_as_sent)
{
    http_request r{.method = "GET", .scheme = "https", .host = "2001:db8::1", .port = 8443, .path = "/a", .query = ""};
    EXPECT_EQ(judged(r, "http.req.host == \"[2001:db8::1]:8443\""), truth::yes);
    EXPECT_EQ(judged(r, "http.req.url == \"https://[2001:db8::1]:8443/a\""), truth::yes);
    r.scheme = "http";
    r.port = 80;
    EXPECT_EQ(judged(r, "http.req.host == \"[2001:db8::1]\" and not tls.enabled"), truth::yes);
}

} // namespace
} // namespace cofferdam::policy::expr
