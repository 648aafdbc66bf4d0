#include "policy/zone.hpp"

#include <gtest/gtest.h>

namespace cofferdam::policy {
namespace {

TEST(registrable_domain, by_both_sections)
{
    EXPECT_EQ(registrable_domain("a.b.staex.io"), "staex.io");
    EXPECT_EQ(registrable_domain("a.b.co.uk"), "b.co.uk");
    EXPECT_EQ(registrable_domain("a.user.github.io"), "user.github.io");
    EXPECT_EQ(registrable_domain("a.org.eu.org"), "org.eu.org");
    EXPECT_EQ(registrable_domain("a.b.example"), "b.example");
    EXPECT_EQ(registrable_domain("co.uk"), std::nullopt);
    EXPECT_EQ(registrable_domain("com"), std::nullopt);
}

TEST(is_shared_suffix, where_strangers_register)
{
    for (const auto* name : {"com", "co.uk", "eu.org", "github.io", "unknowntld", "s3.amazonaws.com"})
        EXPECT_TRUE(is_shared_suffix(name)) << name;
    for (const auto* name : {"staex.io", "github.com", "example", "test", "internal", "user.github.io", "corp.internal",
                             "githubusercontent.com", "actions.githubusercontent.com"}) {
        EXPECT_FALSE(is_shared_suffix(name)) << name;
    }
}

} // namespace
} // namespace cofferdam::policy
