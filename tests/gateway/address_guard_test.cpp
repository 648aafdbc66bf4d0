#include "gateway/address_guard.hpp"
#include "gateway/own_addresses.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;

namespace {

std::shared_ptr<const policy::policy> rules_of(std::vector<std::string> entries)
{
    policy::policy_source source;
    for (auto& each : entries) source.allow.push_back({std::move(each), {"test", 0, 0}});
    return policy::policy::compile(source);
}

bool may_dial(const policy::policy& rules, const char* host, const char* address, std::uint16_t port = 443)
{
    return gateway::may_dial(rules, config::settings{}, host, {ip_address::parse(address).value(), port});
}

} // namespace

TEST(may_dial, public_addresses_are_dialled_for_any_name)
{
    const auto rules = rules_of({"https://cdn.example/"});
    EXPECT_TRUE(may_dial(*rules, "cdn.example", "93.184.216.34"));
    EXPECT_TRUE(may_dial(*rules, "cdn.example", "2606:2800:220:1::1"));
    EXPECT_TRUE(may_dial(*rules, "cdn.example", "::ffff:93.184.216.34"));
}

TEST(may_dial, a_public_name_is_not_rebound_inside)
{
    const auto rules = rules_of({"https://cdn.example/"});
    for (const char* address :
         {"10.0.0.1", "192.168.1.1", "172.16.0.1", "127.0.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "::1", "fe80::1",
          "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "224.0.0.1", "198.18.0.5"})
        EXPECT_FALSE(may_dial(*rules, "cdn.example", address)) << address;
}

TEST(may_dial, an_internal_name_may_point_to_private_space_only)
{
    const auto rules = rules_of({"https://mirror.internal/"});
    EXPECT_TRUE(may_dial(*rules, "mirror.internal", "10.0.0.1"));
    EXPECT_TRUE(may_dial(*rules, "nexus", "192.168.1.1"));
    for (const char* address : {"127.0.0.1", "169.254.169.254", "::1", "fe80::1", "198.18.0.5"})
        EXPECT_FALSE(may_dial(*rules, "mirror.internal", address)) << address;
    EXPECT_FALSE(may_dial(*rules, "10.0.0.1", "10.0.0.1")) << "a literal is no name";
    EXPECT_FALSE(may_dial(*rules, "evilinternal", "127.0.0.1"));
    EXPECT_FALSE(may_dial(*rules, "not-internal.example", "10.0.0.1"));
}

TEST(may_dial, a_rule_that_lists_the_address_allows_it_on_its_port)
{
    const auto rules = rules_of({"https://cdn.example/", "10.0.0.0/8:443", "127.0.0.1:8080"});
    EXPECT_TRUE(may_dial(*rules, "cdn.example", "10.1.2.3", 443));
    EXPECT_FALSE(may_dial(*rules, "cdn.example", "10.1.2.3", 22));
    EXPECT_TRUE(may_dial(*rules, "cdn.example", "127.0.0.1", 8080));
    EXPECT_FALSE(may_dial(*rules, "cdn.example", "127.0.0.1", 443));
}

TEST(may_dial, the_gateways_own_ports_are_never_dialled)
{
    const auto rules = rules_of({"127.0.0.0/8:15053", "127.0.0.1:8080", "0.0.0.0:15053", "93.184.216.34:15053"});
    config::settings settings;
    const auto dialled = [&](const char* address, std::uint16_t port) {
        return gateway::may_dial(*rules, settings, "x.example", {ip_address::parse(address).value(), port});
    };
    EXPECT_TRUE(dialled("127.0.0.1", 15053));
    settings.own_ports = {15001, 15053};
    for (const char* address : {"127.0.0.1", "127.3.2.1", "::ffff:127.0.0.1", "0.0.0.0"})
        EXPECT_FALSE(dialled(address, 15053)) << address;
    EXPECT_TRUE(dialled("127.0.0.1", 8080));
    EXPECT_TRUE(dialled("93.184.216.34", 15053)) << "another machine's";
}

TEST(own_addresses, are_asked_for_again_when_some_came_or_went)
{
    using set = gateway::own_addresses::address_set;
    const auto one = ip_address::parse("10.0.0.1").value(), two = ip_address::parse("10.0.0.2").value();
    bool changed = false;
    auto now = std::make_shared<const set>(set{one});
    gateway::own_addresses own({[&] { return std::exchange(changed, false); }, [&] { return now; }});
    EXPECT_TRUE(own.contain(one));
    EXPECT_FALSE(own.contain(two));
    now = std::make_shared<const set>(set{two});
    EXPECT_TRUE(own.contain(one)) << "nothing was told";
    changed = true;
    EXPECT_FALSE(own.contain(one));
    EXPECT_TRUE(own.contain(two));
}

TEST(own_addresses, are_all_addresses_while_they_cannot_be_told)
{
    using set = gateway::own_addresses::address_set;
    std::shared_ptr<const set> now;
    gateway::own_addresses own({[] { return false; }, [&] { return now; }});
    EXPECT_TRUE(own.contain(ip_address::parse("8.8.8.8").value()));
    now = std::make_shared<const set>();
    EXPECT_FALSE(own.contain(ip_address::parse("8.8.8.8").value()));
}

TEST(own_addresses, of_this_machine_hold_loopback)
{
    EXPECT_TRUE(gateway::machine_addresses().contain(ip_address::parse("127.0.0.1").value()));
    EXPECT_FALSE(gateway::machine_addresses().contain(ip_address::parse("192.0.2.77").value()));
}

TEST(may_resolve, asks_for_any_port)
{
    const auto rules = rules_of({"10.0.0.0/8:443"});
    const config::settings settings;
    EXPECT_TRUE(gateway::may_resolve(*rules, settings, "cdn.example", ip_address::parse("10.1.2.3").value()));
    EXPECT_FALSE(gateway::may_resolve(*rules, settings, "cdn.example", ip_address::parse("192.168.0.1").value()));
}

TEST(is_gateway_host, names_the_machine_that_runs_the_gateway)
{
    EXPECT_TRUE(gateway::is_gateway_host("host"));
    EXPECT_TRUE(gateway::is_gateway_host("host.docker.internal"));
    EXPECT_FALSE(gateway::is_gateway_host("host.example"));
}
