#include "audit/summary.hpp"
#include "sample.hpp"

#include <gtest/gtest.h>

namespace cofferdam::audit {
namespace {

summary of(const std::vector<record>& records, aggregator::bounds limits = {})
{
    aggregator sums(limits);
    for (const auto& entry : records) sums.add(entry);
    return sums.result();
}

TEST(summary, is_one_line_when_nothing_happened)
{
    EXPECT_EQ(render_text(of({sample::job("start"), sample::job("end")})), "cofferdam: no network was used\n");
}

TEST(summary, adds_up_hosts_and_bytes)
{
    const auto s =
        of({sample::job("start"), sample::http("a.example"), sample::http("A.example:80"), sample::http("b.example:8080"),
            sample::dns("a.example", false), sample::connection("git.example", "198.18.0.3:22", false), sample::job("end")});
    EXPECT_EQ(s.requests, 3U);
    EXPECT_EQ(s.connections, 1U);
    EXPECT_EQ(s.queries, 1U);
    EXPECT_EQ(s.bytes_sent, 3U * 81 + 10);
    EXPECT_EQ(s.bytes_received, 3U * 419 + 20);
    ASSERT_EQ(s.hosts.size(), 3U);
    EXPECT_EQ(s.hosts[0].host, "a.example");
    EXPECT_EQ(s.hosts[0].requests, 2U);
    EXPECT_EQ(s.hosts[0].queries, 1U);
    EXPECT_EQ(s.exit_code, 0);
    EXPECT_TRUE(s.started && s.ended);
}

TEST(summary, counts_the_look_up_of_a_host_with_its_requests_on_an_unusual_port)
{
    const auto s = of({sample::dns("b.example", false), sample::http("b.example:8080"), sample::dns("b.example.org", true)});
    ASSERT_EQ(s.hosts.size(), 2U);
    EXPECT_EQ(s.hosts[0].host, "b.example:8080");
    EXPECT_EQ(s.hosts[0].queries, 1U);
    EXPECT_EQ(s.hosts[1].host, "b.example.org");
    EXPECT_EQ(s.hosts[1].denied, 1U);
}

TEST(summary, keeps_its_columns_when_a_name_is_long)
{
    const auto s = of({sample::http("a.example"), sample::http(std::string(60, 'x') + ".leak.evil.example:8443")});
    const auto text = render_text(s);
    EXPECT_NE(text.find("\n  a.example " + std::string(47, ' ')), std::string::npos) << text;
    EXPECT_NE(text.find("\n  " + std::string(29, 'x') + "...x.leak.evil.example:8443 "), std::string::npos) << text;
}

TEST(summary, says_what_was_refused_why_and_how_to_allow_it)
{
    auto tolerated = sample::denied_http("audit.example");
    tolerated.decision.action = "allow";
    auto failed = sample::connection("down.example", "198.18.0.7:443", false);
    std::get<connection_fields>(failed.what).close_reason = "connect_failed";
    std::get<connection_fields>(failed.what).detail = "connection refused";
    auto start = sample::job("start");
    std::get<job_fields>(start.what).allowed_sockets = {"/run/docker.sock"};
    const auto s = of({start, sample::http("a.example"), sample::denied_http("evil.example", "/x?token=s3cret"),
                       sample::denied_http("evil.example", "/y"), tolerated, failed});
    EXPECT_EQ(s.denied, 2U);
    EXPECT_EQ(s.would_deny, 1U);
    ASSERT_EQ(s.refusals.size(), 2U);
    EXPECT_EQ(render_text(s),
              "cofferdam: 4 requests to 4 hosts, 1 other connection, 1.7 kB received, 334 B sent; 2 refused; 1 would be refused\n"
              "  host           requests      sent   received  refused\n"
              "  evil.example          2     162 B      838 B        2\n"
              "  a.example             1      81 B      419 B        0\n"
              "  audit.example         1      81 B      419 B        1\n"
              "  down.example          1      10 B       20 B        0\n"
              "refused:\n"
              "  GET https://evil.example/x (2 times) by /usr/bin/curl\n"
              "    no allow-list entry names this destination [not_in_allow_list]\n"
              "    to allow it: https://evil.example/\n"
              "would be refused in mode enforce:\n"
              "  GET https://audit.example/ by /usr/bin/curl\n"
              "    no allow-list entry names this destination [not_in_allow_list]\n"
              "    to allow it: https://audit.example/\n"
              "failed:\n"
              "  down.example: the server could not be reached (connection refused)\n"
              "socket open to the job: /run/docker.sock\n");
}

TEST(summary, a_refusal_says_what_exactly_was_found)
{
    auto doh = sample::denied_http("resolver.example", "/dns-query");
    doh.decision.reason = "encrypted_dns";
    doh.decision.hint = "https://resolver.example/dns-query";
    std::get<http_fields>(doh.what).detail = "DNS over HTTPS, POST application/dns-message\x1b[2J";
    auto local = sample::connection("", "224.0.0.251:5353", true);
    local.decision = {"deny", "deny", "", "multicast_dns", "connection", ""};
    std::get<connection_fields>(local.what).detail = "multicast DNS (UDP port 5353)";
    const auto text = render_text(of({doh, local}));
    EXPECT_NE(
        text.find(
            "encrypted DNS would bypass the resolver: DNS over HTTPS, POST application/dns-message\\x1b[2J [encrypted_dns]\n"
            "    to allow it: https://resolver.example/dns-query\n"),
        std::string::npos)
        << text;
    EXPECT_NE(text.find(": multicast DNS (UDP port 5353) [multicast_dns]\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("udp://"), std::string::npos) << text;
}

TEST(summary, memory_is_bounded_however_many_hosts_there_are)
{
    std::vector<record> records;
    for (int i = 0; i < 5000; ++i) records.push_back(sample::denied_http("h" + std::to_string(i) + ".example"));
    records.push_back(sample::denied_http(std::string(100'000, 'x')));
    const auto s = of(records, {100, 20, 5});
    EXPECT_EQ(s.hosts.size(), 100U);
    EXPECT_EQ(s.hosts_left_out, 4901U);
    EXPECT_EQ(s.refusals.size(), 20U);
    EXPECT_EQ(s.refusals_left_out, 4981U);
    EXPECT_EQ(s.denied, 5001U);
    EXPECT_NE(render_text(s).find("... and 4981 more"), std::string::npos);
}

TEST(summary, prints_hostile_names_as_printable_lines)
{
    const std::string evil = "\x1b[2Jevil\r\nrefused: nothing\xff\xe2\x80\xae";
    auto entry = sample::denied_http(evil);
    entry.decision.hint = entry.decision.rule = entry.decision.reason = evil;
    const auto text = render_text(of({entry, sample::dns(evil, true), sample::connection(evil, evil, true)}));
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\r'), std::string::npos);
    EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
    EXPECT_EQ(text.find("\nrefused: nothing"), std::string::npos);
}

TEST(summary, colours_only_where_asked)
{
    const auto s = of({sample::denied_http("evil.example")});
    EXPECT_EQ(render_text(s).find('\x1b'), std::string::npos);
    text_style style;
    style.colour = true;
    EXPECT_NE(render_text(s, style).find("\x1b[31m"), std::string::npos);
}

TEST(summary, sizes_for_people)
{
    EXPECT_EQ(human_bytes(0), "0 B");
    EXPECT_EQ(human_bytes(999), "999 B");
    EXPECT_EQ(human_bytes(1000), "1.0 kB");
    EXPECT_EQ(human_bytes(999'999), "1.0 MB");
    EXPECT_EQ(human_bytes(10'000'000'000), "10.0 GB");
    EXPECT_EQ(human_bytes(~0ULL), "18.4 EB");
}

} // namespace
} // namespace cofferdam::audit
