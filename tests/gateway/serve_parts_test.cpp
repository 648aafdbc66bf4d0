#include "gateway/control_api.hpp"
#include "gateway/job_table.hpp"
#include "gateway/service_manager.hpp"

#include <cstdlib>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace cofferdam;
using namespace cofferdam::gateway;

namespace {

/// A job that is nothing but itself.
shared_job some_job()
{
    const auto owner = std::make_shared<int>(0);
    return {owner, reinterpret_cast<served_job*>(owner.get())};
}

ip_prefix range(const char* text)
{
    return ip_prefix::parse(text).value();
}

ip_address address(const char* text)
{
    return ip_address::parse(text).value();
}

TEST(job_table, finds_the_job_of_the_longest_prefix)
{
    const auto fallback = some_job(), wide = some_job(), narrow = some_job(), one = some_job(), six = some_job();
    job_table jobs(fallback);
    EXPECT_TRUE(jobs.add(range("10.0.0.0/8"), wide));
    EXPECT_TRUE(jobs.add(range("10.1.2.3"), one));
    EXPECT_TRUE(jobs.add(range("10.1.0.0/16"), narrow));
    EXPECT_TRUE(jobs.add(range("fd00::/8"), six));
    EXPECT_EQ(wide, jobs.find(address("10.2.0.1")));
    EXPECT_EQ(narrow, jobs.find(address("10.1.2.4")));
    EXPECT_EQ(one, jobs.find(address("10.1.2.3")));
    EXPECT_EQ(one, jobs.find(address("::ffff:10.1.2.3")));
    EXPECT_EQ(six, jobs.find(address("fd12::1")));
    EXPECT_EQ(fallback, jobs.find(address("11.0.0.1")));
    jobs.remove(narrow);
    jobs.remove(one);
    EXPECT_EQ(wide, jobs.find(address("10.1.2.3")));
}

TEST(job_table, lengths_of_the_families_are_not_confused)
{
    const auto fallback = some_job(), four = some_job(), six = some_job(), all = some_job();
    job_table jobs(fallback);
    EXPECT_TRUE(jobs.add(range("10.0.0.0/8"), four));
    EXPECT_TRUE(jobs.add(range("a00::/8"), six));
    EXPECT_TRUE(jobs.add(range("::/0"), all));
    EXPECT_EQ(four, jobs.find(address("10.0.0.1")));
    EXPECT_EQ(six, jobs.find(address("a00::1")));
    EXPECT_EQ(all, jobs.find(address("fd00::1")));
    EXPECT_EQ(fallback, jobs.find(address("11.0.0.1")));
}

TEST(job_table, gives_a_range_to_one_job)
{
    job_table jobs(some_job());
    const auto first = some_job();
    EXPECT_TRUE(jobs.add(range("10.0.0.0/8"), first));
    EXPECT_FALSE(jobs.add(range("10.0.0.0/8"), some_job()));
    EXPECT_TRUE(jobs.add(range("10.0.0.1"), first));
    EXPECT_FALSE(jobs.add(range("10.0.0.1"), some_job()));
    EXPECT_EQ(first, jobs.find(address("10.0.0.1")));
    jobs.remove(first);
    EXPECT_TRUE(jobs.add(range("10.0.0.1"), some_job()));
}

nft::match_control_group group(std::uint32_t level, std::uint64_t id)
{
    return {level, id, "g"};
}

std::uint32_t mark_of(const job_table& jobs, std::uint64_t id)
{
    for (const auto& each : jobs.groups())
        if (each.group.id == id) return each.mark;
    return 0;
}

TEST(job_table, finds_the_job_of_a_control_groups_mark_before_that_of_the_address)
{
    const auto fallback = some_job(), local = some_job(), first = some_job(), second = some_job();
    job_table jobs(fallback, 0x100);
    EXPECT_FALSE(jobs.has_groups());
    EXPECT_TRUE(jobs.add(range("10.0.0.1"), local));
    EXPECT_TRUE(jobs.add(group(1, 7), first));
    EXPECT_TRUE(jobs.add(group(2, 8), second));
    EXPECT_TRUE(jobs.has_groups());
    EXPECT_FALSE(jobs.add(group(1, 7), second)) << "a group is one job's";
    const auto mark = mark_of(jobs, 7);
    EXPECT_GE(mark, 0x100U);
    EXPECT_EQ(first, jobs.find(address("10.0.0.1"), mark));
    EXPECT_EQ(second, jobs.find(address("10.0.0.1"), mark_of(jobs, 8)));
    EXPECT_EQ(local, jobs.find(address("10.0.0.1"), 0));
    EXPECT_EQ(local, jobs.find(address("10.0.0.1"), 0x99)) << "somebody else's mark";
    EXPECT_EQ(fallback, jobs.find(address("10.0.0.2"), 0));
}

TEST(job_table, a_mark_of_a_job_that_has_ended_is_nobodys)
{
    const auto fallback = some_job(), first = some_job(), second = some_job();
    job_table jobs(fallback, 0x100);
    EXPECT_TRUE(jobs.add(group(1, 7), first));
    const auto old = mark_of(jobs, 7);
    jobs.remove(first);
    EXPECT_FALSE(jobs.has_groups());
    EXPECT_TRUE(jobs.add(group(1, 7), second));
    EXPECT_EQ(fallback, jobs.find(address("10.0.0.1"), old)) << "a connection that the old job opened is not the new one's";
    EXPECT_EQ(second, jobs.find(address("10.0.0.1"), mark_of(jobs, 7)));
}

TEST(may_control, root_the_gateway_and_its_group)
{
    constexpr std::uint32_t own = 900, group = 50;
    EXPECT_TRUE(may_control({0, 0, {}}, own, std::nullopt));
    EXPECT_TRUE(may_control({own, 1, {}}, own, std::nullopt));
    EXPECT_FALSE(may_control({1000, 1000, {0, 900}}, own, std::nullopt));
    EXPECT_FALSE(may_control({1000, 1000, {0, 900}}, own, group));
    EXPECT_TRUE(may_control({1000, group, {}}, own, group));
    EXPECT_TRUE(may_control({1000, 1000, {7, group}}, own, group));
    EXPECT_FALSE(may_control({65534, 65534, {}}, std::nullopt, group));
}

TEST(service_manager, is_told_by_its_socket)
{
    const std::string path = testing::TempDir() + "notify-" + std::to_string(::getpid());
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    ASSERT_EQ(0, ::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name));
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    notify_service_manager("READY=1");
    char text[32] = {};
    EXPECT_EQ(7, ::recv(fd, text, sizeof text, MSG_DONTWAIT));
    EXPECT_STREQ("READY=1", text);
    ::setenv("NOTIFY_SOCKET", "relative", 1);
    notify_service_manager("READY=1");
    ::unsetenv("NOTIFY_SOCKET");
    notify_service_manager("READY=1");
    EXPECT_EQ(-1, ::recv(fd, text, sizeof text, MSG_DONTWAIT));
    ::close(fd);
    ::unlink(path.c_str());
}

TEST(service_manager, says_how_often_it_wants_to_hear)
{
    const auto with = [](const char* usec, const std::string& pid) {
        usec ? ::setenv("WATCHDOG_USEC", usec, 1) : ::unsetenv("WATCHDOG_USEC");
        pid.empty() ? ::unsetenv("WATCHDOG_PID") : ::setenv("WATCHDOG_PID", pid.c_str(), 1);
        const auto out = watchdog_interval();
        ::unsetenv("WATCHDOG_USEC");
        ::unsetenv("WATCHDOG_PID");
        return out;
    };
    EXPECT_FALSE(with(nullptr, ""));
    EXPECT_EQ(std::chrono::seconds(3), with("3000000", ""));
    EXPECT_EQ(std::chrono::seconds(3), with("3000000", std::to_string(::getpid())));
    EXPECT_FALSE(with("3000000", "1"));
    EXPECT_FALSE(with("0", ""));
    EXPECT_FALSE(with("-5", ""));
    EXPECT_FALSE(with("soon", ""));
}

} // namespace
