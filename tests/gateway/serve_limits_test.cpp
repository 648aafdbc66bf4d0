#include "gateway/ca_files.hpp"
#include "gateway/connection_share.hpp"
#include "gateway/recent_attempts.hpp"
#include "gateway/served_policy.hpp"
#include "policy/policy.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <vector>

using namespace cofferdam;
using namespace cofferdam::gateway;

namespace {

std::shared_ptr<connection_share> job_of(std::shared_ptr<connection_budget> all)
{
    return std::make_shared<connection_share>(1000, std::move(all));
}

std::size_t enters(connection_share& job)
{
    std::size_t out = 0;
    while (job.enter() == nullptr) ++out;
    return out;
}

TEST(connection_share, is_bounded_by_its_own_limit)
{
    const auto job = std::make_shared<connection_share>(2, nullptr);
    EXPECT_EQ(nullptr, job->enter());
    EXPECT_EQ(nullptr, job->enter());
    EXPECT_STREQ("limits.max_connections", job->enter());
    job->leave();
    EXPECT_EQ(nullptr, job->enter());
}

TEST(connection_share, leaves_places_to_other_jobs)
{
    const auto all = std::make_shared<connection_budget>(100);
    const auto greedy = job_of(all), late = job_of(all);
    EXPECT_EQ(80, enters(*greedy));
    EXPECT_STREQ("serve.max_connections", greedy->enter());
    EXPECT_EQ(16, enters(*late)) << "and four are free";
    greedy->leave();
    EXPECT_STREQ("serve.max_connections", greedy->enter()) << "what is given back goes to who has less";
    EXPECT_EQ(nullptr, late->enter());
}

TEST(connection_share, leaves_the_last_place_to_who_has_none)
{
    for (const std::size_t places : {2, 3, 4, 5, 8}) {
        const auto all = std::make_shared<connection_budget>(places);
        const auto greedy = job_of(all), late = job_of(all);
        EXPECT_EQ(places - 1, enters(*greedy)) << places;
        EXPECT_EQ(1, enters(*late)) << places;
    }
    EXPECT_EQ(1, enters(*job_of(std::make_shared<connection_budget>(1))));
}

TEST(connection_share, gives_back_what_it_took)
{
    const auto all = std::make_shared<connection_budget>(4);
    for (int n = 0; n < 10; ++n) {
        const auto job = job_of(all);
        EXPECT_EQ(nullptr, job->enter()) << n;
        EXPECT_NE(nullptr, job->further()) << n;
        EXPECT_NE(nullptr, job->spare(1)) << n;
        job->leave();
    }
}

TEST(connection_share, counts_further_places_as_the_jobs)
{
    const auto all = std::make_shared<connection_budget>(100);
    const auto job = job_of(all);
    std::vector<std::shared_ptr<void>> held;
    while (auto place = job->further()) held.push_back(std::move(place));
    EXPECT_EQ(80, held.size());
    EXPECT_STREQ("serve.max_connections", job->enter());
    held.clear();
    EXPECT_EQ(80, enters(*job));
}

TEST(connection_share, does_without_when_half_is_taken)
{
    const auto all = std::make_shared<connection_budget>(20);
    const auto job = job_of(all), unbounded = job_of(nullptr);
    for (int n = 0; n < 4; ++n) EXPECT_EQ(nullptr, job->enter());
    std::vector<std::shared_ptr<void>> held;
    while (auto places = job->spare(2)) held.push_back(std::move(places));
    EXPECT_EQ(3, held.size());
    EXPECT_NE(nullptr, job->further());
    held.pop_back();
    EXPECT_NE(nullptr, job->spare(2));
    EXPECT_NE(nullptr, unbounded->spare(2));
    EXPECT_NE(nullptr, unbounded->further());
}

TEST(descriptor_limit, is_raised_to_what_may_be_had)
{
    rlimit before{};
    ASSERT_EQ(0, ::getrlimit(RLIMIT_NOFILE, &before));
    const rlimit low{before.rlim_max < 64 ? before.rlim_max : 64, before.rlim_max};
    ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &low));
    EXPECT_EQ(before.rlim_max, raise_descriptor_limit());
    rlimit after{};
    ::getrlimit(RLIMIT_NOFILE, &after);
    EXPECT_EQ(before.rlim_max, after.rlim_cur);
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(1, connections_that_fit(3));
    EXPECT_EQ(384, connections_that_fit(1024));
}

recent_attempts::key attempt(std::uint16_t port)
{
    return {IPPROTO_UDP, {ip_address::parse("10.0.0.1").value(), 1}, {ip_address::parse("10.0.0.2").value(), port}};
}

TEST(recent_attempts, are_told_once_in_their_window)
{
    recent_attempts seen(100, std::chrono::seconds(10));
    const recent_attempts::clock::time_point now{std::chrono::hours(1)};
    EXPECT_TRUE(seen.is_new("a", attempt(1), now));
    EXPECT_FALSE(seen.is_new("a", attempt(1), now + std::chrono::seconds(9)));
    EXPECT_TRUE(seen.is_new("a", attempt(2), now));
    EXPECT_TRUE(seen.is_new("b", attempt(1), now));
    EXPECT_TRUE(seen.is_new("a", attempt(1), now + std::chrono::seconds(12)));
}

TEST(recent_attempts, of_one_job_do_not_crowd_out_those_of_others)
{
    recent_attempts seen(8, std::chrono::seconds(10));
    const recent_attempts::clock::time_point now{std::chrono::hours(1)};
    for (std::uint16_t port = 1; port < 100; ++port) EXPECT_TRUE(seen.is_new("greedy", attempt(port), now));
    EXPECT_TRUE(seen.is_new("greedy", attempt(99), now)) << "not remembered any more";
    EXPECT_TRUE(seen.is_new("other", attempt(1), now));
    EXPECT_FALSE(seen.is_new("other", attempt(1), now));
    EXPECT_TRUE(seen.is_new("third", attempt(1), now + std::chrono::seconds(12)));
    EXPECT_FALSE(seen.is_new("third", attempt(1), now + std::chrono::seconds(12)));
}

TEST(served_policy, is_that_of_the_phase_and_all_phases_are_looked_at)
{
    policy::policy_source source;
    source.allow.push_back({"https://main.example/", {"test", 1, 1}});
    source.phases["build"].push_back({"https://build.example/", {"test", 2, 1}});
    const auto resolves = [&](std::string_view phase, const char* name) {
        return compile_served(source, phase)->decide(policy::name_query{name, 1}).allowed();
    };
    EXPECT_TRUE(resolves("", "main.example"));
    EXPECT_FALSE(resolves("", "build.example"));
    EXPECT_TRUE(resolves("build", "build.example"));
    EXPECT_FALSE(resolves("build", "main.example"));
    EXPECT_THROW(compile_served(source, "nonsense"), policy::policy_error);
    source.phases["other"].push_back({"udp://main.example:1", {"test", 3, 1}});
    EXPECT_THROW(compile_served(source, "build"), policy::policy_error);
}

TEST(ca_folders, that_a_killed_gateway_left_are_removed)
{
    namespace fs = std::filesystem;
    const fs::path folder = fs::path(testing::TempDir()) / "ca-folders";
    fs::remove_all(folder);
    const auto job = folder / "0123456789abcdefghij", kept = folder / "0123456789abcdefghik", other = folder / "mine";
    for (const auto& each : {job, kept, other}) {
        fs::create_directories(each);
        std::ofstream(each / "ca.pem") << "x";
    }
    std::ofstream(kept / "else") << "x";
    std::ofstream(folder / "ca.pem") << "x";
    remove_ca_folders(folder.string());
    EXPECT_FALSE(fs::exists(job));
    EXPECT_TRUE(fs::exists(kept / "else"));
    EXPECT_TRUE(fs::exists(other / "ca.pem") && fs::exists(folder / "ca.pem"));
    fs::remove_all(folder);
}

} // namespace
