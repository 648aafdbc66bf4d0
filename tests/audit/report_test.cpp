#include "audit/json.hpp"
#include "audit/report.hpp"
#include "sample.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>
#include <sstream>

namespace cofferdam::audit {
namespace {

log_report report_on(const std::vector<record>& records)
{
    line_encoder encoder{settings{}};
    std::string log;
    for (const auto& entry : records) encoder.append(entry, log);
    std::istringstream in(log);
    return read_report(in);
}

std::vector<record> run_with(const std::string& host)
{
    return {sample::job("start"), sample::http("a.example"), sample::denied_http(host), sample::dns("b.example", false),
            sample::job("end")};
}

TEST(report, what_is_read_back_is_what_was_recorded)
{
    const auto records = run_with("evil.example");
    aggregator direct;
    for (const auto& entry : records) direct.add(entry);
    EXPECT_EQ(render_text(report_on(records).totals), render_text(direct.result()));
}

TEST(report, text_ends_with_the_state_of_the_log)
{
    const auto report = report_on(run_with("evil.example"));
    const auto text = render_report(report, report_format::text);
    EXPECT_NE(text.find("to allow it: https://evil.example/\n"), std::string::npos);
    EXPECT_NE(text.find("log: 5 records, chain whole, ends in " + report.integrity.chain_head + "\n"), std::string::npos) << text;
}

TEST(report, json_has_the_documented_members)
{
    const auto text = report_json(report_on(run_with("evil.example")));
    EXPECT_EQ(text.find('\n'), text.size() - 1);
    const auto value = boost::json::parse(text);
    EXPECT_EQ(value.at("requests").as_int64(), 2);
    EXPECT_EQ(value.at("denied").as_int64(), 1);
    EXPECT_EQ(value.at("exit_code").as_int64(), 0);
    EXPECT_EQ(value.at("first").as_string(), "2025-10-21T21:36:48.691937519Z");
    EXPECT_EQ(value.at("refusals").at(0).at("hint").as_string(), "https://evil.example/");
    EXPECT_EQ(value.at("hosts").as_array().size(), 3U);
    EXPECT_TRUE(value.at("log").at("whole").as_bool());
}

TEST(report, every_format_escapes_what_clients_sent)
{
    const auto report = report_on(run_with("<script>`|\"'&\x1b[2J\n## forged\xff"));
    const auto markdown = report_markdown(report);
    EXPECT_EQ(markdown.find("\n## forged"), std::string::npos);
    EXPECT_EQ(markdown.find("<script>`"), std::string::npos);
    const auto html = report_html(report);
    EXPECT_EQ(html.find("<script>"), std::string::npos);
    EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
    boost::json::parse(report_json(report));
    for (const auto format :
         {report_format::text, report_format::json, report_format::markdown, report_format::html, report_format::sarif}) {
        const auto text = render_report(report, format);
        EXPECT_EQ(text.find('\x1b'), std::string::npos);
        EXPECT_TRUE(text.ends_with('\n'));
    }
}

TEST(report, sarif_has_one_result_for_each_refusal)
{
    const auto sarif = boost::json::parse(report_sarif(report_on(run_with("evil.example"))));
    EXPECT_EQ(sarif.at("version").as_string(), "2.1.0");
    const auto& run = sarif.at("runs").at(0);
    ASSERT_EQ(run.at("results").as_array().size(), 1U);
    EXPECT_EQ(run.at("results").at(0).at("ruleId").as_string(), "not_in_allow_list");
    EXPECT_EQ(run.at("tool").at("driver").at("rules").at(0).at("id").as_string(), "not_in_allow_list");
}

TEST(report, formats_are_known_by_name)
{
    EXPECT_EQ(parse_report_format("sarif"), report_format::sarif);
    EXPECT_EQ(parse_report_format("text"), report_format::text);
    EXPECT_FALSE(parse_report_format("TEXT"));
    EXPECT_FALSE(parse_report_format(""));
}

} // namespace
} // namespace cofferdam::audit
