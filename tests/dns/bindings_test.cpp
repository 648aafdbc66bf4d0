#include "dns/bindings.hpp"
#include "dns/ttl_cache.hpp"

#include <gtest/gtest.h>
#include <set>
#include <thread>

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace std::chrono_literals;

namespace {

ip_prefix prefix(const char* text)
{
    return ip_prefix::parse(text).value();
}

} // namespace

TEST(bindings, a_name_keeps_its_address_and_the_address_its_name)
{
    bindings b(prefix("198.18.0.0/15"), 10, {ip_address::parse("198.18.0.1").value()});
    const auto first = b.bind("a.example").value(), second = b.bind("b.example").value();
    EXPECT_EQ(first.to_string(), "198.18.0.2");
    EXPECT_EQ(second.to_string(), "198.18.0.3");
    EXPECT_EQ(b.bind("a.example").value(), first);
    EXPECT_EQ(b.name_of(second), "b.example");
    EXPECT_EQ(b.name_of(ip_address::parse("198.18.0.9").value()), std::nullopt);
    EXPECT_TRUE(b.in_range(ip_address::parse("198.19.255.255").value()));
    EXPECT_FALSE(b.in_range(ip_address::parse("198.20.0.0").value()));
}

TEST(bindings, a_full_table_refuses_new_names_and_keeps_the_old)
{
    bindings b(prefix("198.18.0.0/15"), 2);
    const auto a = b.bind("a.example").value();
    (void)b.bind("b.example");
    EXPECT_EQ(b.bind("c.example").error(), errc::exhausted);
    EXPECT_EQ(b.bind("a.example").value(), a);
}

TEST(bindings, network_and_broadcast_octets_are_skipped_and_the_range_ends)
{
    bindings b(prefix("198.18.0.0/23"), 100000);
    std::set<std::string> seen;
    for (int i = 0;; ++i) {
        const auto address = b.bind("n" + std::to_string(i));
        if (!address) break;
        const auto text = address->to_string();
        EXPECT_FALSE(text.ends_with(".0") || text.ends_with(".255")) << text;
        seen.insert(text);
    }
    EXPECT_EQ(seen.size(), 2U * 254);
    bindings v6(prefix("2001:db8::/64"), 10);
    EXPECT_EQ(v6.bind("a.example").error(), errc::exhausted);
}

TEST(bindings, workers_agree)
{
    bindings b(prefix("198.18.0.0/15"), 4096);
    std::vector<std::thread> workers;
    for (int w = 0; w < 4; ++w) {
        workers.emplace_back([&b] {
            for (int i = 0; i < 1000; ++i) {
                const auto n = "n" + std::to_string(i);
                const auto address = b.bind(n);
                ASSERT_TRUE(address);
                ASSERT_EQ(b.name_of(*address), n);
            }
        });
    }
    for (auto& w : workers) w.join();
    EXPECT_EQ(b.size(), 1000U);
}

TEST(ttl_cache, expires_and_forgets_the_least_recently_used)
{
    const ttl_cache<int>::clock::time_point now{};
    ttl_cache<int> cache(2);
    cache.put("a", 1, now + 10s);
    cache.put("b", 2, now + 10s);
    ASSERT_NE(cache.find("a", now), nullptr);
    cache.put("c", 3, now + 10s);
    EXPECT_EQ(cache.find("b", now), nullptr);
    EXPECT_EQ(*cache.find("a", now + 9s), 1);
    EXPECT_EQ(cache.find("a", now + 10s), nullptr);
    EXPECT_EQ(cache.size(), 1U);
    cache.put("c", 4, now + 20s);
    EXPECT_EQ(*cache.find("c", now + 15s), 4);
}
