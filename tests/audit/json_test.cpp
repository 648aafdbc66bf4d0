#include "audit/chain.hpp"
#include "audit/json.hpp"
#include "audit/json_text.hpp"
#include "core/text.hpp"
#include "sample.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>
#include <re2/re2.h>

namespace cofferdam::audit {
namespace {

namespace json = boost::json;

json::object parsed(const std::string& line)
{
    boost::system::error_code ec;
    auto value = json::parse(line, ec);
    EXPECT_FALSE(ec) << ec.message() << ": " << line;
    return ec ? json::object() : value.as_object();
}

std::string line_of(const record& entry, const settings& how = {})
{
    return to_json_line(entry, 7, chain_start(entry.job), how);
}

std::string text(const json::value& value)
{
    return {value.as_string().data(), value.as_string().size()};
}

/// What the verification script of Qtap's guide extracts.
std::vector<std::string> authorities(const std::string& log)
{
    static const RE2 pattern(R"re("authority"\s*:\s*"([^"]+)")re", RE2::Latin1);
    std::vector<std::string> out;
    re2::StringPiece rest(log);
    for (std::string found; RE2::FindAndConsume(&rest, pattern, &found);) out.push_back(found);
    return out;
}

const std::vector<std::string>& hostile()
{
    static const std::vector<std::string> all{"a\r\n{\"type\":\"http\",\"authority\":\"forged.example\"}",
                                              "\x1b[2J\x1b]0;owned\x07",
                                              "quote\" back\\slash \\x41 \\\\x41",
                                              "\x80\xff\xc0\xaf\xed\xa0\x80",
                                              "c1 \xc2\x85 sep \xe2\x80\xa8\xe2\x80\xa9 bidi \xe2\x80\xae\xef\xbb\xbf",
                                              "\xf0\x9f\x98\x80 ok",
                                              std::string("nul\0byte", 8),
                                              R"("authority":"x")",
                                              R"("authority": "x", \"authority\": \"y\")",
                                              "\x7f",
                                              "\xe2\x80",
                                              "\\",
                                              "\\x4",
                                              "authority",
                                              "\"",
                                              ",\"chain\":\"" + std::string(64, 'a') + "\"}"};
    return all;
}

TEST(json, an_http_record_has_qtaps_fields_at_top_level_in_a_fixed_order)
{
    const auto line = line_of(sample::http());
    EXPECT_EQ(
        line.substr(0, line.rfind(",\"chain\"")),
        R"({"type":"http","seq":7,"time":"2025-10-21T21:36:48.691937519Z","job":"d3rvps07p3qhrpga1990",)"
        R"("source":{"address":"10.0.0.2:40000","process":{"pid":57081,"exe":"/usr/bin/curl",)"
        R"("cmdline":["curl","http://localhost:8000/get"],"uid":1000}},)"
        R"("decision":{"action":"allow","would":"allow","rule":"http://localhost:8000/","reason":"allowed_by_endpoint",)"
        R"("stage":"request","hint":""},)"
        R"("metadata":{"process_id":"57081","process_exe":"/usr/bin/curl","bytes_sent":81,"bytes_received":419,)"
        R"("request_id":"d3rvps07p3qhrpga19ag","connection_id":"d3rvps07p3qhrpga199g","endpoint_id":"localhost","tags":[]},)"
        R"("request":{"method":"GET","url":"http://localhost:8000/get","scheme":"http","path":"/get",)"
        R"("authority":"localhost:8000",)"
        R"("protocol":"http1","request_id":"d3rvps07p3qhrpga19ag","user_agent":"curl/8.10.1"},)"
        R"("response":{"status":200,"upstream_status":200,"content_type":"application/json"},)"
        R"("transaction_time":"2025-10-21T21:36:48.691937519Z","duration_ms":2,"direction":"egress-internal")");
}

TEST(json, whatever_the_bytes_a_record_is_one_line_of_ascii_that_gives_them_back)
{
    for (const auto& bytes : hostile()) {
        auto entry = sample::http();
        auto& f = std::get<http_fields>(entry.what);
        f.method = f.path = f.authority = f.url = f.user_agent = f.request_content_type = f.scheme = bytes;
        f.capture = "full";
        f.request_headers = {{bytes, bytes}};
        entry.decision.rule = entry.decision.hint = bytes;
        const auto line = line_of(entry);
        EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7F; })) << line;
        const auto object = parsed(line);
        const auto& request = object.at("request").as_object();
        for (const auto* key : {"method", "path", "authority", "url", "user_agent"}) {
            EXPECT_EQ(raw_text(text(request.at(key))), bytes) << key << ' ' << line;
        }
        const auto& headers = request.at("headers").as_object();
        ASSERT_EQ(headers.size(), 1U);
        EXPECT_EQ(raw_text(std::string(headers.begin()->key())), bytes);
        EXPECT_EQ(authorities(line).size(), 1U) << line;
    }
}

TEST(json, other_records_never_look_as_if_they_had_an_authority)
{
    for (const auto& bytes : hostile()) {
        auto dns = sample::dns(bytes, false);
        std::get<dns_fields>(dns.what).answers = {"authority", bytes};
        auto connection = sample::connection(bytes, bytes, true);
        std::get<connection_fields>(connection.what).sni = bytes;
        auto alert = sample::base();
        alert.what = alert_fields{bytes, bytes};
        auto job = sample::job(bytes);
        std::get<job_fields>(job.what).command = {"authority", bytes, ":", bytes};
        for (const auto& entry : {dns, connection, alert, job}) {
            const auto line = line_of(entry);
            EXPECT_TRUE(authorities(line).empty()) << line;
            EXPECT_FALSE(parsed(line).empty());
        }
    }
}

TEST(json, a_refused_look_up_of_an_address_names_its_host_as_authority)
{
    auto entry = sample::dns("evil.example", true);
    EXPECT_EQ(authorities(line_of(entry)), std::vector<std::string>{"evil.example"});
    std::get<dns_fields>(entry.what).qtype = "TXT";
    EXPECT_TRUE(authorities(line_of(entry)).empty());
    EXPECT_TRUE(authorities(line_of(sample::dns("good.example", false))).empty()) << "the transaction that follows names it";
}

TEST(json, a_header_called_authority_is_not_taken_for_the_requests_authority)
{
    auto entry = sample::http("evil.example");
    auto& f = std::get<http_fields>(entry.what);
    f.capture = "headers";
    f.request_headers = {{"authority", "localhost"}, {":authority", "evil.example"}};
    f.response_headers = {{"authority", "localhost"}};
    const auto line = line_of(entry);
    EXPECT_EQ(authorities(line), std::vector<std::string>{"evil.example"});
    EXPECT_EQ(text(parsed(line).at("request").at("headers").at("authority")), "localhost");
}

TEST(json, a_request_without_authority_is_listed_under_the_host_of_its_url)
{
    auto entry = sample::http("evil.example:81");
    std::get<http_fields>(entry.what).authority.clear();
    EXPECT_EQ(authorities(line_of(entry)), std::vector<std::string>{"evil.example:81"});
}

TEST(json, headers_appear_only_where_captured_and_secrets_never)
{
    auto entry = sample::http();
    auto& f = std::get<http_fields>(entry.what);
    f.request_headers = {{"Accept", "a"}, {"Authorization", "Bearer s3cret"}, {"accept", "b"}, {"COOKIE", "s3cret"}};
    f.response_headers = {{"Location", "https://me:s3cret@files.example/x"}};
    f.request_body = "s3cret";
    EXPECT_EQ(line_of(entry).find("headers"), std::string::npos);
    f.capture = "headers";
    const auto line = line_of(entry);
    EXPECT_EQ(line.find("s3cret"), std::string::npos) << line;
    EXPECT_EQ(line.find("\"body\""), std::string::npos);
    const auto object = parsed(line);
    EXPECT_EQ(text(object.at("request").at("headers").at("Accept")), "a, b");
    EXPECT_EQ(text(object.at("request").at("headers").at("Authorization")), "[redacted]");
    EXPECT_EQ(text(object.at("request").at("headers").at("COOKIE")), "[redacted]");
    EXPECT_EQ(text(object.at("response").at("headers").at("Location")), "https://[redacted]@files.example/x");
}

TEST(json, userinfo_is_replaced_and_never_makes_a_host_look_listed)
{
    auto entry = sample::http("localhost:8000@evil.example");
    const auto line = line_of(entry);
    EXPECT_EQ(authorities(line), std::vector<std::string>{"[redacted]@evil.example"});
    EXPECT_EQ(text(parsed(line).at("metadata").at("endpoint_id")), "evil.example");
    EXPECT_EQ(text(parsed(line).at("request").at("url")), "http://[redacted]@evil.example/get");
}

TEST(json, secrets_on_command_lines_are_replaced)
{
    auto entry = sample::http();
    auto who = std::make_shared<process_identity>();
    who->cmdline = {"curl",
                    "-u",
                    "me:s3cret",
                    "--password",
                    "s3cret",
                    "--token=s3cret",
                    "NPM_TOKEN=s3cret",
                    "-H",
                    "Authorization: Bearer s3cret",
                    "sh -c 'curl -H \"Cookie: s3cret\" https://me:s3cret@git.example/r'",
                    "-u",
                    "file"};
    entry.source.process = who;
    const auto line = line_of(entry);
    EXPECT_EQ(line.find("s3cret"), std::string::npos) << line;
    EXPECT_NE(line.find("git.example/r"), std::string::npos);
    EXPECT_NE(line.find("\"-u\",\"file\""), std::string::npos);
}

TEST(json, bodies_are_base64_at_capture_full_and_bounded)
{
    auto entry = sample::http();
    auto& f = std::get<http_fields>(entry.what);
    f.capture = "full";
    f.request_body = std::string("\x00\xff\n", 3);
    f.response_body = std::string(100, 'x');
    settings how;
    how.max_body = 10;
    const auto object = parsed(line_of(entry, how));
    EXPECT_EQ(text(object.at("request").at("body")), "AP8K");
    EXPECT_EQ(text(object.at("response").at("body")), "eHh4eHh4eHh4eA==");
    EXPECT_TRUE(object.at("body_truncated").as_bool());
}

TEST(json, capture_none_keeps_the_host_but_not_what_was_asked)
{
    auto entry = sample::http("a.example", "/private?x=1");
    entry.source.process = nullptr;
    std::get<http_fields>(entry.what).capture = "none";
    const auto line = line_of(entry);
    EXPECT_EQ(line.find("private"), std::string::npos);
    EXPECT_EQ(authorities(line), std::vector<std::string>{"a.example"});
}

TEST(json, no_record_is_longer_than_the_bound_and_a_cut_one_says_so)
{
    auto entry = sample::http();
    auto& f = std::get<http_fields>(entry.what);
    f.capture = "full";
    f.path = std::string(300'000, '\x01');
    f.url = f.path;
    f.method = f.authority = f.user_agent = f.path;
    for (int i = 0; i < 3000; ++i) f.request_headers.emplace_back("h" + std::to_string(i), std::string(500, '\xff'));
    f.request_body = f.response_body = std::string(64U << 10, 'b');
    auto who = std::make_shared<process_identity>();
    who->cmdline.assign(1000, std::string(1000, '"'));
    entry.source.process = who;
    entry.decision.hint = entry.decision.rule = f.path;
    for (const std::size_t bound : {std::size_t{0}, min_record_bytes, std::size_t{100'000}, std::size_t{1} << 20}) {
        settings how;
        how.max_record_bytes = bound;
        const auto line = line_of(entry, how);
        EXPECT_LE(line.size(), std::max(bound, min_record_bytes));
        EXPECT_TRUE(parsed(line).at("cut").as_bool());
        EXPECT_EQ(authorities(line).size(), 1U);
    }
}

TEST(json, dns_connection_alert_and_job_records_carry_their_fields)
{
    const auto dns = parsed(line_of(sample::dns("a.example", false)));
    EXPECT_EQ(text(dns.at("type")), "dns");
    EXPECT_EQ(text(dns.at("dns").at("qname")), "a.example");
    EXPECT_EQ(text(dns.at("dns").at("answers").at(0)), "198.18.0.1");
    const auto connection = parsed(line_of(sample::connection("git.example", "198.18.0.9:22", false)));
    EXPECT_EQ(text(connection.at("connection").at("destination")), "198.18.0.9:22");
    EXPECT_EQ(connection.at("connection").at("bytes_received").as_int64(), 20);
    const auto job = parsed(line_of(sample::job("end")));
    EXPECT_EQ(text(job.at("lifecycle").at("event")), "end");
    EXPECT_EQ(job.at("lifecycle").at("exit_code").as_int64(), 0);
    EXPECT_FALSE(job.at("lifecycle").as_object().contains("network"));
    auto start = sample::job("start");
    std::get<job_fields>(start.what).network = "tproxy, NFQUEUE";
    EXPECT_EQ(text(parsed(line_of(start)).at("lifecycle").at("network")), "tproxy, NFQUEUE");
    EXPECT_FALSE(job.contains("decision"));
}

TEST(json, direction_is_internal_for_private_literals_and_the_gateways_machine)
{
    for (const auto* host : {"localhost", "host:5432", "10.1.2.3", "[fd00::1]:443", "127.0.0.1:80"}) {
        EXPECT_EQ(text(parsed(line_of(sample::http(host))).at("direction")), "egress-internal") << host;
    }
    for (const auto* host : {"a.example", "9.9.9.9", "[2606:4700::1]"}) {
        EXPECT_EQ(text(parsed(line_of(sample::http(host))).at("direction")), "egress-external") << host;
    }
}

TEST(json_text, times_go_out_and_come_back)
{
    std::string out;
    append_time(out, sample::instant);
    EXPECT_EQ(out, "2025-10-21T21:36:48.691937519Z");
    EXPECT_EQ(parse_time(out).value(), sample::instant);
    EXPECT_EQ(parse_time("2025-10-21T21:36:48Z").value(), sample::instant - std::chrono::nanoseconds(691'937'519));
    for (const auto* bad : {"", "2025-10-21", "2025-13-21T21:36:48Z", "2025-02-30T21:36:48Z", "2025-10-21T21:36:48.Z",
                            "2025-10-21T21:36:48+01:00", "2025-10-21T21:36:48.1234567890Z", "20x5-10-21T21:36:48Z"}) {
        EXPECT_FALSE(parse_time(bad)) << bad;
    }
    out.clear();
    append_time(out, clock::time_point{} - std::chrono::nanoseconds(1));
    EXPECT_EQ(out, "1969-12-31T23:59:59.999999999Z");
}

TEST(json_text, a_cut_string_ends_on_a_whole_character)
{
    std::string out;
    EXPECT_TRUE(append_string(out, "abcdefgh\"\"\"\"", 20));
    EXPECT_EQ(out, "\"abcdefgh\\u0022[+3 bytes]\"");
    out.clear();
    EXPECT_FALSE(append_string(out, "abc", 3));
    EXPECT_EQ(out, "\"abc\"");
}

} // namespace
} // namespace cofferdam::audit
