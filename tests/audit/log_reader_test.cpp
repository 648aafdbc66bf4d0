#include "audit/json.hpp"
#include "audit/log_reader.hpp"
#include "core/error.hpp"
#include "sample.hpp"

#include <gtest/gtest.h>
#include <sstream>

namespace cofferdam::audit {
namespace {

std::string encoded(const std::vector<record>& records)
{
    line_encoder encoder{settings{}};
    std::string out;
    for (const auto& entry : records) encoder.append(entry, out);
    return out;
}

TEST(log_reader, gives_back_every_field)
{
    auto request = sample::http("a.example", "/x\xff\\x41");
    std::get<http_fields>(request.what).capture = "headers";
    std::get<http_fields>(request.what).request_headers = {{"X-Test", "1"}};
    std::istringstream in(
        encoded({request, sample::dns("b.example", true), sample::connection("c.example", "[2001:db8::1]:22", false)}));
    log_reader reader(in);
    const auto first = reader.next();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->line, 1U);
    EXPECT_EQ(first->seq, 1U);
    EXPECT_EQ(*first->chain, chain_checker::verdict::whole);
    EXPECT_EQ(first->entry.time, sample::instant);
    EXPECT_EQ(first->entry.duration, std::chrono::milliseconds(2));
    EXPECT_EQ(first->entry.source.address, request.source.address);
    ASSERT_TRUE(first->entry.source.process);
    EXPECT_EQ(first->entry.source.process->cmdline, request.source.process->cmdline);
    const auto& http = std::get<http_fields>(first->entry.what);
    EXPECT_EQ(http.path, "/x\xff\\x41");
    EXPECT_EQ(http.request_headers, (header_fields{{"X-Test", "1"}}));
    EXPECT_EQ(http.status, 200);
    EXPECT_EQ(http.bytes_received, 419U);
    const auto second = reader.next();
    ASSERT_TRUE(second);
    EXPECT_EQ(second->entry.decision.hint, "dns:b.example");
    EXPECT_EQ(std::get<dns_fields>(second->entry.what).rcode, "REFUSED");
    const auto third = reader.next();
    ASSERT_TRUE(third);
    EXPECT_EQ(std::get<connection_fields>(third->entry.what).destination, "[2001:db8::1]:22");
    EXPECT_EQ(reader.next().error(), make_error_code(errc::closed));
}

TEST(log_reader, a_job_id_that_is_not_utf8_does_not_break_the_chain)
{
    auto entry = sample::http();
    entry.job = "\xe8";
    std::istringstream in(encoded({entry, entry}));
    log_reader reader(in);
    for (int i = 0; i < 2; ++i) {
        const auto read = reader.next();
        ASSERT_TRUE(read);
        EXPECT_EQ(*read->chain, chain_checker::verdict::whole);
        EXPECT_EQ(read->entry.job, "\xe8");
    }
}

TEST(log_reader, locates_bad_lines_and_goes_on_after_them)
{
    const auto good = encoded({sample::http()});
    std::istringstream in("\n" + good + "{\"type\":\n" + std::string(5000, 'x') + "\n{\"type\":\"weather\"}\nplain\n" + good);
    log_reader reader(in, 4000);
    EXPECT_TRUE(reader.next());
    EXPECT_EQ(reader.line(), 2U);
    EXPECT_EQ(reader.next().error(), make_error_code(errc::malformed));
    EXPECT_EQ(reader.line(), 3U);
    EXPECT_EQ(reader.next().error(), make_error_code(errc::too_large));
    EXPECT_EQ(reader.line(), 4U);
    EXPECT_EQ(reader.next().error(), make_error_code(errc::unsupported));
    EXPECT_EQ(reader.next().error(), make_error_code(errc::unsupported));
    EXPECT_EQ(reader.line(), 6U);
    EXPECT_TRUE(reader.next());
    EXPECT_EQ(reader.line(), 7U);
    EXPECT_EQ(reader.next().error(), make_error_code(errc::closed));
}

TEST(log_reader, deep_nesting_and_odd_types_are_no_trouble)
{
    std::string deep = R"({"request":)";
    for (int i = 0; i < 100'000; ++i) deep += '[';
    std::istringstream in(deep + "}\n"
                                 R"({"request":[],"type":5})"
                                 "\n"
                                 R"({"request":{"authority":7,"method":null},"metadata":[]})"
                                 "\n");
    log_reader reader(in);
    EXPECT_EQ(reader.next().error(), make_error_code(errc::malformed));
    EXPECT_EQ(reader.next().error(), make_error_code(errc::unsupported));
    const auto odd = reader.next();
    ASSERT_TRUE(odd);
    EXPECT_FALSE(odd->ours());
    EXPECT_EQ(std::get<http_fields>(odd->entry.what).authority, "");
}

} // namespace
} // namespace cofferdam::audit
