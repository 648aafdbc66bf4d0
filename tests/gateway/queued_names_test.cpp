#include "dns/message.hpp"
#include "gateway/job_context.hpp"
#include "gateway/job_dns.hpp"
#include "gateway/queued_names.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>

using namespace cofferdam;
using namespace cofferdam::gateway;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

constexpr auto accepted = nft::queue_verdict::accept;
constexpr auto dropped = nft::queue_verdict::drop;

ip_endpoint endpoint(std::string_view address, std::uint16_t port)
{
    return {ip_address::parse(address).value(), port};
}

const ip_endpoint client = endpoint("100.64.0.2", 40000);
const ip_endpoint server = endpoint("8.8.8.8", 53);

std::vector<std::uint8_t> query(std::string_view name)
{
    return dns::build_query(0x1234, {dns::name::parse(name).value(), dns::rr::a});
}

std::vector<std::uint8_t> packet(const ip_endpoint& from, const ip_endpoint& to, byte_view payload)
{
    std::vector<std::uint8_t> out(nft::max_udp_headers + payload.size());
    out.resize(nft::write_udp(out, from, to, payload).value());
    return out;
}

/// What an inspector would answer, and what it would record.
dns::answer refusal(std::string_view name)
{
    dns::answer out;
    out.bytes = {1, 2, 3};
    out.facts.qname = name;
    out.facts.qtype = "A";
    out.facts.decision.why = reason::not_in_allow_list;
    return out;
}

/// A job with its records, and a judge whose inspector refuses names that begin with "bad", drops those that begin with "drop".
struct fixture {
    explicit fixture(const config::settings& settings = {}) : job("job", settings, policy::policy::compile(settings.policy))
    {
        job.open_audit([this](const audit::record& entry) {
            const std::lock_guard lock(mutex);
            records.push_back(entry);
        });
    }

    dns::inspector::outcome inspect(byte_view bytes)
    {
        inspected.emplace_back(bytes.begin(), bytes.end());
        const auto parsed = dns::parse_query(bytes);
        const auto name = parsed ? std::string(parsed->text.view()) : "bad";
        if (name.starts_with("bad")) return refusal(name);
        if (name.starts_with("drop")) return dns::drop{refusal(name).facts};
        dns::passed out;
        out.q = *parsed;
        out.verdict = {true, true, reason::allowed_by_endpoint, "dns:" + name, {}, {}, rules};
        return out;
    }

    /// What the resolver has said of a name before.
    void make_ready(std::string_view name)
    {
        const auto asked = *dns::parse_query(query(name));
        dns::answer given;
        given.bytes = dns::build_reply(asked, {}, dns::transport::udp);
        given.facts.rcode = "NOERROR";
        given.facts.qtype = "A";
        given.facts.decision = {true, true, reason::allowed_by_endpoint, {}, {}, {}, rules};
        job.ready_answers().keep(asked, given, dns::clock::time_point::max(), false, dns::clock::now());
    }

    nft::queue_verdict judge(const ip_endpoint& from, const ip_endpoint& to, byte_view payload)
    {
        const auto bytes = packet(from, to, payload);
        return subject.judge({1, bytes, static_cast<std::uint32_t>(bytes.size())});
    }

    std::vector<audit::record> written()
    {
        EXPECT_TRUE(job.audit().flush(std::chrono::seconds(5)));
        const std::lock_guard lock(mutex);
        return records;
    }

    std::uint64_t counted(const std::string& verdict)
    {
        const auto text = job.metrics().render();
        const auto at = text.find("cofferdam_nfqueue_packets_total{verdict=\"" + verdict + "\"} ");
        return at == std::string::npos ? 0 : std::stoull(text.substr(text.find("} ", at) + 2));
    }

    std::uint64_t rules = 1;
    std::mutex mutex;
    std::vector<audit::record> records;
    std::vector<std::vector<std::uint8_t>> inspected, sent;
    std::vector<ip_address> sent_to;
    job_context job;
    datagram_judge subject{job, [this](byte_view bytes, const ip_endpoint&) { return inspect(bytes); },
                           [this](byte_view bytes, const ip_address& to) {
                               sent.emplace_back(bytes.begin(), bytes.end());
                               sent_to.push_back(to);
                           }};
};

config::settings with_udp(std::string entry)
{
    config::settings out;
    out.policy.allow.push_back({std::move(entry), {}});
    return out;
}

const audit::connection_fields& connection_of(const audit::record& entry)
{
    return std::get<audit::connection_fields>(entry.what);
}

TEST(queued_names, what_passes_goes_on_without_a_record)
{
    fixture f;
    EXPECT_EQ(accepted, f.judge(client, server, query("good.example")));
    EXPECT_EQ(1U, f.inspected.size());
    EXPECT_TRUE(f.sent.empty());
    EXPECT_TRUE(f.written().empty()) << "the resolver writes it";
    EXPECT_EQ(1U, f.counted("accept"));
}

TEST(queued_names, a_refusal_is_answered_by_the_server_that_was_asked_and_recorded_once)
{
    for (const auto& [from, to] : {std::pair{client, server},
                                   {endpoint("fd00:cd::2", 40000), endpoint("2001:db8::53", 53)},
                                   {endpoint("127.0.0.1", 40000), server}}) {
        fixture f;
        EXPECT_EQ(dropped, f.judge(from, to, query("bad.example")));
        ASSERT_EQ(1U, f.sent.size());
        EXPECT_EQ(from.address, f.sent_to[0]);
        const auto reply = nft::parse_udp(f.sent[0]).value();
        EXPECT_EQ(to, reply.source);
        EXPECT_EQ(from, reply.destination);
        EXPECT_EQ((std::vector<std::uint8_t>{1, 2, 3}), std::vector<std::uint8_t>(reply.payload.begin(), reply.payload.end()));
        const auto records = f.written();
        ASSERT_EQ(1U, records.size());
        EXPECT_EQ("bad.example", std::get<audit::dns_fields>(records[0].what).qname);
        EXPECT_EQ(1U, f.counted("reject"));
    }
}

TEST(queued_names, what_passes_and_is_ready_is_answered_at_once_and_recorded_once)
{
    fixture f;
    f.make_ready("good.example");
    EXPECT_EQ(dropped, f.judge(client, server, query("good.example")));
    ASSERT_EQ(1U, f.sent.size());
    const auto reply = nft::parse_udp(f.sent[0]).value();
    EXPECT_EQ(server, reply.source);
    EXPECT_EQ(client, reply.destination);
    EXPECT_EQ(0x12, reply.payload[0]);
    const auto records = f.written();
    ASSERT_EQ(1U, records.size());
    EXPECT_EQ("allow", records[0].decision.action);
    EXPECT_EQ("dns:good.example", records[0].decision.rule);
    EXPECT_EQ("NOERROR", std::get<audit::dns_fields>(records[0].what).rcode);
    EXPECT_EQ(1U, f.counted("answer"));
    EXPECT_EQ(0U, f.counted("accept"));
}

TEST(queued_names, what_is_ready_is_left_to_the_resolver_where_the_answer_would_not_arrive_and_to_the_relay)
{
    fixture f(with_udp("udp://8.8.8.8:5300"));
    f.make_ready("good.example");
    EXPECT_EQ(accepted, f.judge(endpoint("5.6.7.8", 40000), server, query("good.example")));
    EXPECT_EQ(accepted, f.judge(client, endpoint("8.8.8.8", 5300), query("good.example")));
    f.rules = 2;
    EXPECT_EQ(accepted, f.judge(client, server, query("good.example"))) << "of another policy";
    EXPECT_TRUE(f.sent.empty());
    EXPECT_TRUE(f.written().empty());
}

TEST(queued_names, what_is_ready_is_not_given_without_a_place_for_its_record)
{
    config::settings settings;
    settings.audit.queue_records = 1;
    fixture f(std::move(settings));
    f.make_ready("good.example");
    auto taken = f.job.audit().reserve();
    ASSERT_TRUE(taken);
    EXPECT_EQ(dropped, f.judge(client, server, query("good.example")));
    EXPECT_TRUE(f.sent.empty());
    taken->cancel();
}

TEST(queued_names, a_client_at_an_address_of_its_own_choice_is_answered_by_the_resolver)
{
    fixture f;
    EXPECT_EQ(accepted, f.judge(endpoint("5.6.7.8", 40000), server, query("bad.example")));
    EXPECT_TRUE(f.sent.empty());
    EXPECT_TRUE(f.written().empty());
}

TEST(queued_names, what_is_no_query_is_dropped_and_recorded)
{
    fixture f;
    EXPECT_EQ(dropped, f.judge(client, server, query("drop.example")));
    EXPECT_TRUE(f.sent.empty());
    EXPECT_EQ(1U, f.written().size());
    EXPECT_EQ(1U, f.counted("drop"));
}

TEST(queued_names, a_response_is_dropped_by_the_jobs_own_inspector)
{
    fixture f;
    const datagram_judge real(
        f.job,
        [&f](byte_view bytes, const ip_endpoint& from) {
            return f.job.inspector().inspect(bytes, dns::transport::udp, from, 0, dns::clock::now());
        },
        [](byte_view, const ip_address&) { ADD_FAILURE() << "nobody answers a response"; });
    auto response = query("good.example");
    response[2] |= 0x80;
    const auto bytes = packet(client, server, response);
    EXPECT_EQ(dropped, real.judge({1, bytes, static_cast<std::uint32_t>(bytes.size())}));
    const auto records = f.written();
    ASSERT_EQ(1U, records.size());
    EXPECT_EQ("dns_response_from_client", records[0].decision.reason);
    EXPECT_EQ(1U, f.counted("drop"));
}

TEST(queued_names, a_datagram_that_cannot_be_read_is_dropped)
{
    fixture f;
    auto bytes = packet(client, server, query("good.example"));
    bytes[6] = 0x20; // a fragment
    EXPECT_EQ(dropped, f.subject.judge({1, bytes, static_cast<std::uint32_t>(bytes.size())}));
    EXPECT_EQ(dropped, f.subject.judge({2, byte_view(bytes).first(3), 3}));
    EXPECT_TRUE(f.inspected.empty());
    const auto records = f.written();
    ASSERT_EQ(2U, records.size());
    EXPECT_EQ("malformed_query", records[0].decision.reason);
    EXPECT_EQ("8.8.8.8", connection_of(records[0]).destination);
}

TEST(queued_names, dns_on_another_port_is_refused_with_the_entry_that_would_allow_it)
{
    fixture f;
    EXPECT_EQ(dropped, f.judge(client, endpoint("8.8.8.8", 5300), query("good.example")));
    EXPECT_TRUE(f.inspected.empty()) << "no budget is spent on what goes nowhere";
    ASSERT_EQ(1U, f.sent.size());
    const auto reply = nft::parse_udp(f.sent[0]).value();
    EXPECT_EQ(endpoint("8.8.8.8", 5300), reply.source);
    EXPECT_EQ(0x12, reply.payload[0]);
    EXPECT_EQ(0x34, reply.payload[1]);
    EXPECT_EQ(0x80, reply.payload[2] & 0x80);
    EXPECT_EQ(5, reply.payload[3] & 0x0F) << "REFUSED";
    EXPECT_THAT(std::string(as_text(reply.payload)), HasSubstr("dns_on_other_port: 8.8.8.8:5300"));
    const auto records = f.written();
    ASSERT_EQ(1U, records.size());
    EXPECT_EQ("dns_on_other_port", records[0].decision.reason);
    EXPECT_EQ("udp://8.8.8.8:5300", records[0].decision.hint);
    EXPECT_EQ("a query for good.example A", connection_of(records[0]).detail);
    EXPECT_EQ(1U, f.counted("reject"));
}

TEST(queued_names, where_an_entry_opens_the_port_queries_are_inspected_and_the_rest_passes)
{
    fixture f(with_udp("udp://8.8.8.8:5300"));
    const auto to = endpoint("8.8.8.8", 5300);
    EXPECT_EQ(accepted, f.judge(client, to, query("good.example")));
    EXPECT_EQ(dropped, f.judge(client, to, query("bad.example")));
    EXPECT_EQ(2U, f.inspected.size());
    EXPECT_EQ(1U, f.sent.size());
    EXPECT_EQ(accepted, f.judge(client, to, as_bytes("no query, of any length")));
    EXPECT_EQ(accepted, f.judge(client, to, {}));
    EXPECT_EQ(2U, f.inspected.size());
    EXPECT_EQ(dropped, f.judge(client, endpoint("9.9.9.9", 5300), query("good.example")))
        << "the port is listed, not this server";
    const auto records = f.written();
    ASSERT_EQ(2U, records.size());
    EXPECT_EQ("dns_on_other_port", records[1].decision.reason);
}

TEST(queued_names, without_a_place_for_the_record_there_is_no_answer)
{
    config::settings settings;
    settings.audit.queue_records = 1;
    fixture f(std::move(settings));
    auto taken = f.job.audit().reserve();
    ASSERT_TRUE(taken);
    EXPECT_EQ(dropped, f.judge(client, server, query("bad.example")));
    EXPECT_EQ(dropped, f.judge(client, server, query("drop.example")));
    EXPECT_EQ(dropped, f.judge(client, endpoint("8.8.8.8", 5300), query("good.example")));
    EXPECT_TRUE(f.sent.empty());
    taken->cancel();
    EXPECT_TRUE(f.written().empty());
}

std::vector<std::string> alerts_of(const std::vector<audit::record>& records)
{
    std::vector<std::string> out;
    for (const auto& each : records) {
        const auto& alert = std::get<audit::alert_fields>(each.what);
        EXPECT_EQ("queue overflow", alert.name);
        EXPECT_EQ("overload", each.decision.reason);
        out.push_back(alert.message);
    }
    return out;
}

TEST(queued_names, what_was_lost_is_counted_and_told_once_a_second)
{
    fixture f;
    f.job.lost().note(3);
    f.job.lost().note(4);
    EXPECT_EQ(7U, f.counted("overflow"));
    EXPECT_THAT(alerts_of(f.written()), ElementsAre(HasSubstr("3 datagrams")));
}

TEST(queued_names, the_end_tells_what_was_lost_in_the_last_second)
{
    fixture f;
    nft::sealed_descriptors network;
    queued_names subject(f.job, network);
    f.job.lost().note(3);
    f.job.lost().note(4);
    f.job.lost().note(5);
    subject.stop();
    subject.stop();
    EXPECT_EQ(12U, f.counted("overflow"));
    EXPECT_THAT(alerts_of(f.written()), ElementsAre(HasSubstr("3 datagrams"), HasSubstr("9 datagrams")));
}

TEST(queued_names, where_nothing_was_lost_the_end_tells_nothing)
{
    fixture f;
    nft::sealed_descriptors network;
    queued_names(f.job, network).stop();
    EXPECT_TRUE(f.written().empty());
}

TEST(queued_names, what_was_lost_while_no_record_could_be_kept_is_told_later)
{
    config::settings settings;
    settings.audit.queue_records = 1;
    fixture f(std::move(settings));
    auto taken = f.job.audit().reserve();
    ASSERT_TRUE(taken);
    f.job.lost().note(3);
    taken->cancel();
    f.job.lost().flush();
    EXPECT_THAT(alerts_of(f.written()), ElementsAre(HasSubstr("3 datagrams")));
}

} // namespace
