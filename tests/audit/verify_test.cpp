#include "audit/json.hpp"
#include "audit/verify.hpp"
#include "sample.hpp"

#include <gtest/gtest.h>
#include <sstream>
#include <sys/wait.h>

namespace cofferdam::audit {
namespace {

std::vector<std::string> log_lines(const std::vector<record>& records)
{
    line_encoder encoder{settings{}};
    std::vector<std::string> out;
    for (const auto& entry : records) encoder.append(entry, out.emplace_back());
    return out;
}

std::string joined(const std::vector<std::string>& lines)
{
    std::string out;
    for (const auto& line : lines) out += line;
    return out;
}

std::vector<record> allowed_run()
{
    return {sample::job("start"), sample::dns("approved-api", false), sample::http("localhost:8000"),
            sample::http("approved-api"), sample::job("end")};
}

verify_options allowing(const std::vector<std::string>& hosts)
{
    verify_options out;
    out.allow.emplace();
    for (const auto& host : hosts) EXPECT_TRUE(out.allow->add(host)) << host;
    return out;
}

verify_result judge(const std::string& log, const verify_options& options = {})
{
    std::istringstream in(log);
    return verify(in, options);
}

void write_file(const std::string& path, const std::string& text)
{
    std::ofstream out(path, std::ios::binary);
    out << text;
    out.close();
    ASSERT_TRUE(out) << path;
}

/// The script asks `docker logs` for the log; a stand-in answers. With the system's Python: one that is chosen by wrappers on the
/// PATH can fail for reasons of its own.
void expect_of_script(int code, const std::string& log)
{
    const sample::scratch dir;
    write_file(dir.file("audit.jsonl"), log);
    write_file(dir.file("docker"), "#!/bin/sh\ncat audit.jsonl\n");
    std::filesystem::permissions(dir.file("docker"), std::filesystem::perms::owner_all);
    const auto command =
        "cd " + dir.file("") + " && PATH=.:/usr/bin:/bin /usr/bin/python3 " COFFERDAM_VERIFICATION_SCRIPT " >out 2>err";
    const int status = std::system(command.c_str());
    ASSERT_TRUE(WIFEXITED(status)) << status;
    EXPECT_EQ(WEXITSTATUS(status), code) << sample::content(dir.file("out")) << sample::content(dir.file("err"));
}

TEST(verify, the_script_of_qtaps_guide_judges_our_log_right)
{
    expect_of_script(0, joined(log_lines(allowed_run())));
    auto leaking = allowed_run();
    leaking.insert(leaking.begin() + 3, sample::denied_http("evil.example"));
    expect_of_script(1, joined(log_lines(leaking)));
    auto sly = allowed_run();
    sly.insert(sly.begin() + 3, sample::denied_http("localhost@evil.example"));
    expect_of_script(1, joined(log_lines(sly)));
    auto harmless = allowed_run();
    auto spoken = sample::http("localhost");
    auto& f = std::get<http_fields>(spoken.what);
    f.capture = "full";
    f.path = f.user_agent = R"("authority":"evil.example")";
    f.request_headers = {{"authority", "evil.example"}};
    harmless.insert(harmless.begin() + 3, spoken);
    expect_of_script(0, joined(log_lines(harmless)));
}

TEST(verify, agrees_with_the_script_on_ports)
{
    const auto log = joined(log_lines(allowed_run()));
    EXPECT_TRUE(judge(log, allowing({"localhost:8000", "approved-api"})).good());
    const auto outcome = judge(log, allowing({"localhost", "approved-api"}));
    ASSERT_EQ(outcome.outside.size(), 1U);
    EXPECT_EQ(outcome.outside[0].subject, "localhost:8000");
    EXPECT_EQ(outcome.outside[0].line, 3U);
}

TEST(verify, an_attempt_counts_even_if_it_was_refused)
{
    auto records = allowed_run();
    records.insert(records.end() - 1,
                   {sample::denied_http("evil.example"), sample::denied_http("evil.example"),
                    sample::dns("leak.evil.example", true), sample::connection("git.example", "198.18.0.3:22", true)});
    const auto log = joined(log_lines(records));
    const auto outcome = judge(log, allowing({"localhost:8000", "approved-api"}));
    ASSERT_EQ(outcome.outside.size(), 3U);
    EXPECT_EQ(outcome.outside[0].subject, "dns leak.evil.example");
    EXPECT_EQ(outcome.outside[1].subject, "evil.example");
    EXPECT_EQ(outcome.outside[1].count, 2U);
    EXPECT_EQ(outcome.outside[2].subject, "git.example:22");
    EXPECT_FALSE(outcome.good());
    EXPECT_TRUE(
        judge(log, allowing({"localhost:8000", "approved-api", "evil.example", "git.example:22", "leak.evil.example"})).good());
}

TEST(verify, without_a_list_nothing_may_have_been_refused)
{
    EXPECT_TRUE(judge(joined(log_lines(allowed_run()))).good());
    auto records = allowed_run();
    auto tolerated = sample::http("evil.example");
    tolerated.decision.would = "deny";
    tolerated.decision.reason = "not_in_allow_list";
    tolerated.decision.hint = "http://evil.example/";
    records.insert(records.end() - 1, tolerated);
    const auto outcome = judge(joined(log_lines(records)));
    ASSERT_EQ(outcome.refused.size(), 1U);
    EXPECT_EQ(outcome.refused[0].subject, "GET http://evil.example/get");
    const auto text = render(outcome);
    EXPECT_NE(text.find("to allow it: http://evil.example/"), std::string::npos) << text;
}

TEST(verify, sees_edits_cuts_reordering_and_insertions)
{
    const auto lines = log_lines(allowed_run());
    const auto broken_at = [](const std::vector<std::string>& changed) {
        const auto outcome = judge(joined(changed));
        return outcome.broken.empty() ? std::size_t{999} : outcome.broken.front().line;
    };
    EXPECT_EQ(broken_at(lines), 999U);
    auto edited = lines;
    edited[2].replace(edited[2].find("localhost"), 9, "l0calhost");
    EXPECT_EQ(broken_at(edited), 3U);
    auto cut = lines;
    cut.erase(cut.begin() + 2);
    EXPECT_EQ(broken_at(cut), 3U);
    auto swapped = lines;
    std::swap(swapped[1], swapped[2]);
    EXPECT_EQ(broken_at(swapped), 2U);
    auto doubled = lines;
    doubled.insert(doubled.begin() + 2, lines[1]);
    EXPECT_EQ(broken_at(doubled), 3U);
    auto foreign = lines;
    foreign.insert(foreign.begin() + 2, R"({"request":{"authority":"localhost"}})"
                                        "\n");
    EXPECT_EQ(broken_at(foreign), 3U);
    auto noise = lines;
    noise.insert(noise.begin() + 2, "noise\n");
    EXPECT_EQ(broken_at(noise), 3U);
    auto headless = lines;
    headless.erase(headless.begin());
    EXPECT_EQ(broken_at(headless), 1U);
    auto endless = lines;
    endless.pop_back();
    EXPECT_EQ(broken_at(endless), 0U);
    auto half = lines;
    half.back().resize(half.back().size() / 2);
    EXPECT_EQ(broken_at(half), 5U);
}

TEST(verify, every_single_changed_byte_of_a_log_is_noticed)
{
    const auto log = joined(log_lines({sample::job("start"), sample::http(), sample::job("end")}));
    for (std::size_t i = 0; i < log.size(); ++i) {
        auto changed = log;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        // A changed last newline leaves the last line as it is, or with a character that JSON does not allow there.
        EXPECT_FALSE(judge(changed).good()) << "byte " << i;
    }
}

TEST(verify, a_log_may_hold_several_runs)
{
    const auto once = joined(log_lines(allowed_run()));
    EXPECT_TRUE(judge(once + once).good());
    auto first = log_lines(allowed_run());
    first.pop_back();
    const auto outcome = judge(joined(first) + once);
    ASSERT_EQ(outcome.broken.size(), 1U);
    EXPECT_EQ(outcome.broken[0].line, 5U);
}

TEST(verify, reads_qtaps_own_output)
{
    const std::string log =
        "INFO starting up\n"
        R"({"metadata":{"process_id":"1"},"request":{"method":"GET","url":"http://localhost:8000/get","scheme":"http",)"
        R"("path":"/get","authority":"localhost:8000","protocol":"http1"},"response":{"status":200},)"
        R"("transaction_time":"2025-10-21T21:36:48.691937519Z","duration_ms":2,"direction":"egress-external"})"
        "\n\n"
        "{\n  \"request\": {\n    \"scheme\": \"https\",\n    \"authority\": \"example.com\"\n  }\n}\n";
    const auto outcome = judge(log, allowing({"localhost:8000"}));
    EXPECT_EQ(outcome.records, 2U);
    EXPECT_EQ(outcome.foreign_lines, 1U);
    ASSERT_EQ(outcome.outside.size(), 1U);
    EXPECT_EQ(outcome.outside[0].subject, "example.com");
    EXPECT_EQ(outcome.outside[0].line, 4U);
    EXPECT_TRUE(judge(log, allowing({"localhost:8000", "example.com"})).good());
    EXPECT_NE(render(judge(log, allowing({"localhost:8000", "example.com"}))).find("no chain"), std::string::npos);
}

TEST(host_list, compares_whole_hosts)
{
    host_list list;
    EXPECT_TRUE(list.add("Api.Example."));
    EXPECT_TRUE(list.add("db.example:5432"));
    EXPECT_TRUE(list.add("[2001:DB8::1]:443"));
    for (const auto* bad : {"", "https://a.example/", "a b", "a:0", "a:99999", "a:", "*.example", "[::1", "[x]:1"})
        EXPECT_FALSE(list.add(bad)) << bad;
    EXPECT_TRUE(list.contains("api.example", 443));
    EXPECT_TRUE(list.contains("API.EXAMPLE:443", 443));
    EXPECT_FALSE(list.contains("api.example:8443", 443));
    EXPECT_FALSE(list.contains("api.example.evil.example", 443));
    EXPECT_FALSE(list.contains("evil.api.example", 443));
    EXPECT_FALSE(list.contains("[redacted]@api.example", 443));
    EXPECT_FALSE(list.contains("", 443));
    EXPECT_TRUE(list.contains("db.example:5432", 0));
    EXPECT_FALSE(list.contains("db.example", 443));
    EXPECT_TRUE(list.contains("[2001:db8:0::1]", 443));
}

} // namespace
} // namespace cofferdam::audit
