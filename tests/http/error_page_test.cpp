#include "http/error_page.hpp"
#include "http/head.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;
using namespace cofferdam::http;

namespace {

refusal sample()
{
    refusal out;
    out.why = reason::not_in_allow_list;
    out.method = "POST";
    out.url = "https://evil.example/upload?a=1&b=<script>";
    out.hint = "POST https://evil.example/upload";
    out.job = "job-1";
    return out;
}

} // namespace

TEST(error_page, explains_in_plain_text)
{
    EXPECT_EQ(render_refusal(sample(), ""),
              "Cofferdam refused this request.\n\n"
              "  POST https://evil.example/upload?a=1&b=<script>\n"
              "  reason: not_in_allow_list\n"
              "  because: no allow-list entry names this destination\n"
              "  to allow it, add this line to the policy's allow list: POST https://evil.example/upload\n"
              "  job: job-1\n");
    auto failed = sample();
    failed.why = reason::upstream_verify_failed;
    failed.detail = "certificate has expired";
    failed.hint = {};
    const auto text = render_refusal(failed, "*/*");
    EXPECT_NE(text.find("could not serve"), std::string::npos);
    EXPECT_NE(text.find("  detail: certificate has expired\n"), std::string::npos);
}

TEST(error_page, escapes_for_json)
{
    auto what = sample();
    what.url = "https://a.example/\"\\\r\n\x1b[31m\xff";
    what.rule = "no \"uploads\"";
    EXPECT_EQ(render_refusal(what, "application/json"),
              "{\"error\":\"Cofferdam refused this request.\",\"status\":403,\"method\":\"POST\","
              "\"url\":\"https://a.example/\\\"\\\\\\\\\\\\x0d\\\\x0a\\\\x1b[31m\\\\xff\",\"reason\":\"not_in_allow_list\","
              "\"message\":\"no allow-list entry names this destination\",\"rule\":\"no \\\"uploads\\\"\","
              "\"hint\":\"POST https://evil.example/upload\",\"job\":\"job-1\"}\n");
}

TEST(error_page, escapes_for_html)
{
    const auto html = render_refusal(sample(), "text/html");
    EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
    EXPECT_EQ(html.find("<script>"), std::string::npos);
    EXPECT_NE(html.find("a=1&amp;b"), std::string::npos);
    EXPECT_NE(html.find("policy&#39;s"), std::string::npos);
}

TEST(error_page, never_breaks_out_of_its_line)
{
    auto what = sample();
    what.url = "https://a.example/\r\n  job: forged\x1b[2J";
    const auto text = render_refusal(what, "");
    EXPECT_EQ(text.find('\r'), std::string::npos);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find("\n  job: forged"), std::string::npos);
}

TEST(error_page, is_bounded)
{
    auto what = sample();
    const std::string url(60000, '\x01');
    what.url = url;
    EXPECT_LT(render_refusal(what, "text/html").size(), 12000U);
}

TEST(error_page, follows_accept)
{
    EXPECT_EQ(preferred_media(""), media::text);
    EXPECT_EQ(preferred_media("*/*"), media::text);
    EXPECT_EQ(preferred_media("application/json"), media::json);
    EXPECT_EQ(preferred_media("application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"), media::json);
    EXPECT_EQ(preferred_media("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), media::html);
    EXPECT_EQ(preferred_media("text/html;q=0.5, application/json;q=0.9"), media::json);
    EXPECT_EQ(preferred_media("application/json;q=0.2, text/plain;q=0.201"), media::text);
    EXPECT_EQ(preferred_media("application/json;q=0"), media::text);
    EXPECT_EQ(preferred_media("text/html;level=1;q=0.3, image/png"), media::html);
}

TEST(error_page, maps_reasons_to_statuses)
{
    EXPECT_EQ(status_for(reason::path_not_allowed), 403U);
    EXPECT_EQ(status_for(reason::host_mismatch), 421U);
    EXPECT_EQ(status_for(reason::ambiguous_request), 400U);
    EXPECT_EQ(status_for(reason::upstream_verify_failed), 502U);
    EXPECT_EQ(status_for(reason::upstream_timed_out), 504U);
    EXPECT_EQ(status_for(reason::audit_failed), 503U);
}

TEST(error_page, is_a_whole_answer_that_reads_back)
{
    std::string out;
    write_refusal(out, sample(), {.accept = "application/json"});
    response_head head;
    const auto size = parse_response_head(out, limits{}, {"POST", false}, head);
    ASSERT_TRUE(size);
    EXPECT_EQ(head.status, 403U);
    EXPECT_FALSE(head.keep_alive);
    EXPECT_EQ(head.content_length, out.size() - *size);
    ASSERT_NE(find_field(head.fields, "x-cofferdam-reason"), nullptr);
    EXPECT_EQ(find_field(head.fields, "x-cofferdam-reason")->value, "not_in_allow_list");
    EXPECT_EQ(find_field(head.fields, "Content-Type")->value, "application/json");

    std::string head_only;
    write_refusal(head_only, sample(), {.accept = "application/json", .head_only = true, .close = false});
    const auto head_size = parse_response_head(head_only, limits{}, {"HEAD", false}, head);
    ASSERT_TRUE(head_size);
    EXPECT_EQ(*head_size, head_only.size());
    EXPECT_EQ(head.content_length, out.size() - *size);
    EXPECT_TRUE(head.keep_alive);
}
