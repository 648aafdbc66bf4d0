#include "http/dns_over_https.hpp"

#include <gtest/gtest.h>

using namespace cofferdam::http;

namespace {

// RFC 8484, 4.1.1: www.example.com, A.
const std::string message = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";

std::string found(std::string_view method, std::string_view path, std::string_view query, const std::vector<field>& fields = {},
                  bool of_resolver = false)
{
    return find_dns_over_https({method, path, query, fields, of_resolver});
}

} // namespace

TEST(dns_over_https, by_media_type)
{
    EXPECT_EQ(found("POST", "/", "", {{"Content-Type", "application/dns-message"}}), "POST application/dns-message");
    EXPECT_EQ(found("POST", "/", "", {{"content-TYPE", " Application/DNS-Message ; x=y"}}), "POST application/dns-message");
    EXPECT_EQ(found("POST", "/", "", {{"Content-Type", "text/plain"}, {"Content-Type", "application/dns-message"}}),
              "POST application/dns-message")
        << "the second of two";
    EXPECT_EQ(found("GET", "/x", "", {{"Accept", "text/html, application/dns-json;q=0.5, */*"}}),
              "GET accept application/dns-json");
    EXPECT_EQ(found("POST", "/proxy", "", {{"Content-Type", "application/oblivious-dns-message"}}),
              "POST application/oblivious-dns-message");
    EXPECT_EQ(found("POST", "/", "", {{"Content-Type", "application/dns-messages"}, {"X-Type", "application/dns-message"}}), "");
}

TEST(dns_over_https, by_a_message_in_the_query)
{
    EXPECT_EQ(found("GET", "/anything", "dns=" + message), "GET ?dns=");
    EXPECT_EQ(found("GET", "/", "ct=x&d%6Es=" + message + "&y"), "GET ?dns=") << "escapes in the key";
    EXPECT_EQ(found("GET", "/", "DNS=" + message), "GET ?dns=");
    EXPECT_EQ(found("GET", "/", "x;dns=%41" + message.substr(1) + "=="), "GET ?dns=") << "escapes in the value, padding";
    EXPECT_EQ(found("GET", "/", "dns=1&dns=" + message), "GET ?dns=") << "the second of two";
    EXPECT_EQ(found("GET", "/", "dns=on"), "") << "not every parameter of that name";
    EXPECT_EQ(found("GET", "/", "dns=8.8.8.8"), "");
    EXPECT_EQ(found("GET", "/", "dns="), "");
    EXPECT_EQ(found("GET", "/", "mydns=" + message), "");
    EXPECT_EQ(found("GET", "/", message), "");
}

TEST(dns_over_https, by_the_json_interface)
{
    EXPECT_EQ(found("GET", "/resolve", "name=www.example&type=AAAA"), "GET ?name=&type=");
    EXPECT_EQ(found("GET", "/v1/resolve", "type=%31&name=a"), "GET ?name=&type=");
    EXPECT_EQ(found("GET", "/resolve", "name=www.example"), "") << "a name alone may be anything";
    EXPECT_EQ(found("GET", "/resolve", "name=www.example", {}, true), "GET ?name=&type=") << "unless it is a resolver's";
    EXPECT_EQ(found("GET", "/resolve", "name=www.example&type=module"), "");
    EXPECT_EQ(found("GET", "/resolve", "name=www.example&type=70000"), "");
    EXPECT_EQ(found("GET", "/search", "name=www.example&type=A"), "");
}

TEST(dns_over_https, by_the_usual_path)
{
    EXPECT_EQ(found("POST", "/dns-query", ""), "POST /dns-query");
    EXPECT_EQ(found("GET", "/p/dns-query/", "x=1"), "GET /dns-query");
    EXPECT_EQ(found("GET", "/dns-query", "name=www.example"), "GET ?name=&type=");
    EXPECT_EQ(found("POST", "/a%2Fdns-query", ""), "POST /dns-query");
    EXPECT_EQ(found("GET", "/docs/dns-query", ""), "") << "a page about it";
    EXPECT_EQ(found("POST", "/dns-queryx", ""), "");
    EXPECT_EQ(found("OPTIONS", "*", ""), "");
}

TEST(dns_over_https, media_types_of_answers)
{
    EXPECT_EQ(find_dns_media_type("application/dns-message"), "application/dns-message");
    EXPECT_EQ(find_dns_media_type("APPLICATION/DNS-JSON; charset=utf-8"), "application/dns-json");
    EXPECT_EQ(find_dns_media_type("application/json"), "");
    EXPECT_EQ(find_dns_media_type(""), "");
}
