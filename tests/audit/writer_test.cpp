#include "audit/verify.hpp"
#include "audit/writer.hpp"
#include "sample.hpp"

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace cofferdam::audit {
namespace {

using namespace std::chrono_literals;

settings to_file(const std::string& path)
{
    settings out;
    out.sinks = {{sink_settings::kind::file, path}};
    return out;
}

bool wait_until(const std::function<bool()>& condition)
{
    for (int i = 0; i < 500 && !condition(); ++i) std::this_thread::sleep_for(10ms);
    return condition();
}

void commit(writer& to, record entry)
{
    auto place = to.reserve();
    ASSERT_TRUE(place);
    place->commit(std::move(entry));
}

/// Takes all places first: a sink that fails on the first record would refuse the rest.
void commit_all(writer& to, std::vector<record> entries)
{
    std::vector<reservation> places;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        auto place = to.reserve();
        ASSERT_TRUE(place);
        places.push_back(std::move(*place));
    }
    for (std::size_t i = 0; i < entries.size(); ++i) places[i].commit(std::move(entries[i]));
}

verify_result judge(const std::string& path, verify_options options = {})
{
    std::ifstream in(path, std::ios::binary);
    return verify(in, options);
}

TEST(writer, writes_what_is_committed_and_ends_with_the_totals)
{
    const sample::scratch dir;
    const auto path = dir.file("audit.jsonl");
    writer_totals totals;
    {
        writer out(to_file(path));
        commit(out, sample::job("start"));
        commit(out, sample::http());
        commit(out, sample::denied_http("evil.example"));
        commit(out, sample::job("end"));
        totals = out.close(5s);
    }
    EXPECT_EQ(totals.records, 4U);
    EXPECT_EQ(totals.denied, 1U);
    EXPECT_EQ(totals.lost, 0U);
    const auto outcome = judge(path);
    EXPECT_TRUE(outcome.broken.empty());
    EXPECT_EQ(outcome.chain_head, totals.chain_head);
    EXPECT_NE(sample::content(path).find(R"("records":4,"denied":1,)"), std::string::npos);
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST(writer, appends_after_what_is_there_on_a_line_of_its_own)
{
    const sample::scratch dir;
    const auto path = dir.file("audit.jsonl");
    std::ofstream(path) << "old\nunfinished";
    for (int i = 0; i < 2; ++i) {
        writer out(to_file(path));
        commit(out, sample::job("end"));
    }
    EXPECT_TRUE(sample::content(path).starts_with("old\nunfinished\n{\"type\":\"job\""));
    EXPECT_TRUE(judge(path).good());
}

TEST(writer, refuses_a_symbolic_link_and_a_log_in_use)
{
    const sample::scratch dir;
    std::filesystem::create_symlink(dir.file("target"), dir.file("link"));
    EXPECT_THROW(writer{to_file(dir.file("link"))}, std::system_error);
    EXPECT_FALSE(std::filesystem::exists(dir.file("target")));
    const writer first(to_file(dir.file("log")));
    EXPECT_THROW(writer{to_file(dir.file("log"))}, std::system_error);
    try {
        writer(to_file(dir.file("no/such/dir")));
        FAIL();
    }
    catch (const std::system_error& e) {
        EXPECT_NE(std::string(e.what()).find("no/such/dir"), std::string::npos);
    }
}

TEST(writer, a_full_queue_takes_no_reservation_until_places_are_given_back)
{
    settings how;
    how.queue_records = 3;
    writer out(how, std::vector<sink>{});
    auto a = out.reserve(), b = out.reserve(), c = out.reserve();
    ASSERT_TRUE(a && b && c);
    EXPECT_FALSE(out.reserve());
    EXPECT_EQ(out.depth(), 3U);
    a->cancel();
    auto d = out.reserve();
    EXPECT_TRUE(d);
    b->commit(sample::http());
    EXPECT_TRUE(out.flush(5s));
    EXPECT_TRUE(out.reserve());
    c->cancel();
    d->cancel();
}

TEST(writer, the_queue_is_bounded_by_bytes_too)
{
    settings how;
    how.queue_bytes = 64U << 10;
    int pipe_ends[2];
    ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
    std::vector<sink> sinks;
    sinks.push_back(sink::adopt(pipe_ends[1], "pipe"));
    auto out = std::make_unique<writer>(how, std::move(sinks)); // nobody reads: the pipe fills and the queue after it
    std::size_t taken = 0;
    for (; taken < 10'000; ++taken) {
        auto place = out->reserve();
        if (!place) break;
        auto entry = sample::http();
        std::get<http_fields>(entry.what).url.assign(4000, 'u');
        place->commit(std::move(entry));
    }
    EXPECT_LT(taken, 60U);
    EXPECT_FALSE(out->failed()) << "slow is not failed";
    std::thread reader([fd = pipe_ends[0]] {
        char buffer[4096];
        while (::read(fd, buffer, sizeof buffer) > 0) {}
    });
    EXPECT_TRUE(out->flush(5s));
    if (auto place = out->reserve())
        place->cancel();
    else
        ADD_FAILURE() << "no place although all is written";
    EXPECT_EQ(out->close(5s).lost, 0U);
    out.reset(); // closes the pipe
    reader.join();
    ::close(pipe_ends[0]);
}

TEST(writer, an_uncommitted_reservation_leaves_a_record)
{
    const sample::scratch dir;
    writer out(to_file(dir.file("log")));
    commit(out, sample::job("start"));
    {
        auto place = out.reserve();
        ASSERT_TRUE(place);
        place->draft().job = "j1";
        std::get<connection_fields>(place->draft().what).host = "half.example";
    }
    EXPECT_TRUE(out.flush(5s));
    const auto log = sample::content(dir.file("log"));
    EXPECT_NE(log.find(R"("reason":"internal_error")"), std::string::npos);
    EXPECT_NE(log.find(R"("host":"half.example")"), std::string::npos);
    EXPECT_EQ(out.totals().denied, 1U);
}

TEST(writer, a_used_place_that_is_dropped_says_nothing_of_the_record_before)
{
    const sample::scratch dir;
    writer out(to_file(dir.file("log")));
    auto first = sample::base();
    dns_fields fields;
    fields.qname = "earlier.example";
    first.what = std::move(fields);
    commit(out, std::move(first));
    EXPECT_TRUE(out.flush(5s));
    {
        auto place = out.reserve_used();
        ASSERT_TRUE(place);
        ASSERT_TRUE(std::holds_alternative<dns_fields>(place->draft().what)) << "its memory is used again";
    }
    commit(out, sample::job("end"));
    EXPECT_TRUE(out.flush(5s));
    const auto log = sample::content(dir.file("log"));
    EXPECT_EQ(log.find("earlier.example"), log.rfind("earlier.example"));
    EXPECT_NE(log.find(R"("reason":"internal_error")"), std::string::npos);
}

TEST(writer, the_memory_of_an_http_record_is_used_again_and_nothing_else_of_it)
{
    const sample::scratch dir;
    writer out(to_file(dir.file("log")));
    auto first = sample::base();
    first.decision.rule = "a rule that is longer than what a string holds in itself";
    http_fields fields;
    fields.url = "https://earlier.example/with/a/path/of/some/length";
    fields.status = 200;
    fields.request_headers.emplace_back("authorization", "earlier");
    fields.body_truncated = true;
    fields.bytes_sent = 7;
    const auto* memory = fields.url.data();
    first.what = std::move(fields);
    commit(out, std::move(first));
    EXPECT_TRUE(out.flush(5s));
    {
        auto place = out.reserve_http();
        ASSERT_TRUE(place);
        const auto& draft = place->draft();
        const auto* again = std::get_if<http_fields>(&draft.what);
        ASSERT_NE(again, nullptr);
        EXPECT_EQ(again->url.data(), memory);
        EXPECT_TRUE(again->url.empty() && again->request_headers.empty() && !again->status && !again->body_truncated);
        EXPECT_EQ(again->bytes_sent, 0U);
        EXPECT_EQ(again->capture, "summary");
        EXPECT_TRUE(draft.job.empty() && draft.decision.rule.empty() && !draft.source.process);
    }
    auto second = out.reserve_http(); // no other was written before
    ASSERT_TRUE(second && std::holds_alternative<http_fields>(second->draft().what));
    second->cancel();
    commit(out, sample::job("end"));
    EXPECT_TRUE(out.flush(5s));
    const auto log = sample::content(dir.file("log"));
    EXPECT_EQ(log.find("earlier", log.find('\n')), std::string::npos);
    EXPECT_NE(log.find(R"("reason":"internal_error")"), std::string::npos) << "the one that was dropped";
}

TEST(writer, a_large_http_record_is_not_kept_for_its_memory)
{
    writer out(settings{}, std::vector<sink>{});
    auto large = sample::base();
    http_fields fields;
    fields.url.assign(100'000, 'u');
    const auto* memory = fields.url.data();
    EXPECT_GE(memory_of(fields), 100'000U);
    large.what = std::move(fields);
    commit(out, std::move(large));
    EXPECT_TRUE(out.flush(5s));
    auto place = out.reserve_http();
    ASSERT_TRUE(place);
    EXPECT_NE(std::get<http_fields>(place->draft().what).url.data(), memory);
    place->cancel();
}

TEST(writer, has_room_as_long_as_a_place_can_be_taken)
{
    settings how;
    how.queue_records = 1;
    writer out(how, std::vector<sink>{});
    EXPECT_TRUE(out.has_room());
    auto place = out.reserve_used();
    ASSERT_TRUE(place);
    EXPECT_FALSE(out.has_room());
    place->cancel();
    EXPECT_TRUE(out.has_room());
    out.close(5s);
    EXPECT_FALSE(out.has_room());
}

TEST(writer, a_full_disk_closes_the_gate_and_nothing_is_lost_when_space_returns)
{
    // A file size limit stands in for the disk: write(2) stops short, then fails with EFBIG; lifted, it goes on.
    const sample::scratch dir;
    struct rlimit before {};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    std::vector<std::string> messages;
    std::mutex guard;
    writer_hooks hooks;
    hooks.failure = [&](const std::string& message) {
        const std::lock_guard lock(guard);
        messages.push_back(message);
    };
    std::signal(SIGXFSZ, SIG_IGN); // for this thread, should the test's own output go to a file
    struct rlimit tight {
        before
    };
    tight.rlim_cur = 1000;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    writer out(to_file(dir.file("log")), hooks);
    commit_all(out, {sample::job("start"), sample::http(), sample::job("end")});
    EXPECT_TRUE(wait_until([&] { return out.failed(); }));
    EXPECT_FALSE(out.reserve());
    EXPECT_NE(out.failure().find("log"), std::string::npos);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_TRUE(wait_until([&] { return !out.failed(); }));
    EXPECT_TRUE(out.reserve().has_value());
    EXPECT_EQ(out.close(5s).lost, 0U);
    std::ifstream in(dir.file("log"));
    verify_options options;
    options.require_end = false; // the reservation dropped above left a record after the end
    EXPECT_TRUE(verify(in, options).broken.empty());
    const std::lock_guard lock(guard);
    ASSERT_EQ(messages.size(), 2U);
    EXPECT_TRUE(messages[1].empty());
}

TEST(writer, dev_full_fails_at_once_and_close_counts_what_is_lost)
{
    settings how = to_file("/dev/full");
    writer out(how);
    commit_all(out, {sample::http(), sample::http()});
    EXPECT_TRUE(wait_until([&] { return out.failed(); }));
    EXPECT_FALSE(out.reserve());
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(out.close(100ms).lost, 2U);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
}

TEST(writer, a_closed_pipe_is_a_failure_and_no_signal)
{
    int pipe_ends[2];
    ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
    ::close(pipe_ends[0]);
    std::vector<sink> sinks;
    sinks.push_back(sink::adopt(pipe_ends[1], "pipe"));
    writer out(settings{}, std::move(sinks));
    commit(out, sample::http());
    EXPECT_TRUE(wait_until([&] { return out.failed(); }));
    EXPECT_EQ(out.close(10ms).lost, 1U);
}

TEST(writer, a_blocked_sink_does_not_hold_up_the_end)
{
    int pipe_ends[2];
    ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
    std::vector<sink> sinks;
    sinks.push_back(sink::adopt(pipe_ends[1], "pipe"));
    writer out(settings{}, std::move(sinks));
    for (int i = 0; i < 300; ++i) commit(out, sample::http()); // more than a pipe holds
    const auto start = std::chrono::steady_clock::now();
    EXPECT_GT(out.close(200ms).lost, 0U);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
    ::close(pipe_ends[0]);
}

TEST(writer, reservations_may_outlive_it)
{
    std::optional<reservation> late;
    {
        writer out(settings{}, std::vector<sink>{});
        late = out.reserve();
        ASSERT_TRUE(late);
        EXPECT_FALSE(out.flush(0ms) && out.depth() == 0);
        out.close(10ms);
        EXPECT_FALSE(out.reserve());
    }
    late->commit(sample::http());
    EXPECT_TRUE(late->spent());
}

TEST(writer, a_hundred_thousand_records_from_eight_threads_stay_in_order_with_the_chain_whole)
{
    const sample::scratch dir;
    constexpr int threads = 8, each = 12'500;
    std::atomic<std::uint64_t> seen{0}, expected_seq{1}, out_of_order{0};
    writer_hooks hooks;
    hooks.written = [&](const record&, std::uint64_t seq) {
        ++seen;
        if (seq != expected_seq++) ++out_of_order;
    };
    settings how = to_file(dir.file("log"));
    how.queue_records = 512;
    writer_totals totals;
    {
        writer out(how, hooks);
        std::vector<std::thread> pool;
        for (int t = 0; t < threads; ++t) {
            pool.emplace_back([&out, t] {
                for (int i = 0; i < each; ++i) {
                    auto place = out.reserve();
                    for (; !place; place = out.reserve()) std::this_thread::sleep_for(100us);
                    auto entry = sample::dns("n" + std::to_string(i) + ".example", false);
                    entry.job = "t" + std::to_string(t);
                    place->commit(std::move(entry));
                }
            });
        }
        for (auto& worker : pool) worker.join();
        commit(out, sample::job("end"));
        totals = out.close(30s);
    }
    EXPECT_EQ(totals.records, 100'001U);
    EXPECT_EQ(totals.lost, 0U);
    EXPECT_EQ(seen, 100'001U);
    EXPECT_EQ(out_of_order, 0U);
    std::ifstream in(dir.file("log"), std::ios::binary);
    log_reader reader(in);
    std::map<std::string, int> next;
    std::uint64_t count = 0;
    for (auto entry = reader.next(); entry; entry = reader.next()) {
        ++count;
        ASSERT_EQ(entry->seq, count);
        ASSERT_EQ(*entry->chain, chain_checker::verdict::whole);
        if (const auto* dns = std::get_if<dns_fields>(&entry->entry.what)) {
            ASSERT_EQ(dns->qname, "n" + std::to_string(next[entry->entry.job]++) + ".example");
        }
    }
    EXPECT_EQ(count, 100'001U);
}

} // namespace
} // namespace cofferdam::audit
