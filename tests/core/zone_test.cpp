#include "core/zone.hpp"

#include <gtest/gtest.h>

namespace cofferdam {
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
    for (const auto* name : {"com", "co.uk", "eu.org", "github.io", "unknowntld", "sslip.io", "nip.io", "duckdns.org"})
        EXPECT_TRUE(is_shared_suffix(name)) << name;
    for (const auto* name :
         {"staex.io", "github.com", "example", "test", "internal", "user.github.io", "corp.internal", "s3.amazonaws.com",
          "cloudfront.net", "blob.core.windows.net", "githubusercontent.com", "actions.githubusercontent.com"}) {
        EXPECT_FALSE(is_shared_suffix(name)) << name;
    }
}

TEST(purchased_domain, by_the_icann_section_alone)
{
    EXPECT_EQ(purchased_domain("a.b.staex.io"), "staex.io");
    EXPECT_EQ(purchased_domain("a.b.c.co.uk"), "c.co.uk");
    EXPECT_EQ(purchased_domain("bucket.s3.amazonaws.com"), "amazonaws.com");
    EXPECT_EQ(purchased_domain("a.evil.eu.org"), "eu.org");
    EXPECT_EQ(purchased_domain("x.pvt.k12.ma.us"), "x.pvt.k12.ma.us");
    EXPECT_EQ(purchased_domain("a.b.kawasaki.jp"), "a.b.kawasaki.jp");
    EXPECT_EQ(purchased_domain("a.city.kawasaki.jp"), "city.kawasaki.jp");
    EXPECT_EQ(purchased_domain("db.corp.internal"), "corp.internal");
    EXPECT_EQ(purchased_domain("4.3.2.1.in-addr.arpa"), "arpa");
    for (const auto* own : {"com", "co.uk", "localhost", "arpa", ""}) EXPECT_EQ(purchased_domain(own), own);
}

TEST(tenant_zone, is_where_customers_of_a_provider_choose_names)
{
    EXPECT_EQ(tenant_zone("bucket.s3.amazonaws.com"), "s3.amazonaws.com");
    EXPECT_EQ(tenant_zone("bucket.s3.eu-west-1.amazonaws.com"), "s3.eu-west-1.amazonaws.com");
    EXPECT_EQ(tenant_zone("x.y.execute-api.eu-west-1.amazonaws.com"), "execute-api.eu-west-1.amazonaws.com");
    EXPECT_EQ(tenant_zone("account.blob.core.windows.net"), "blob.core.windows.net");
    EXPECT_EQ(tenant_zone("d111.cloudfront.net"), "cloudfront.net");
    EXPECT_EQ(tenant_zone("ec2.eu-west-1.amazonaws.com"), "");
    EXPECT_EQ(tenant_zone("s3.amazonaws.com"), "");
    EXPECT_TRUE(is_provider("amazonaws.com"));
    EXPECT_FALSE(is_provider("s3.amazonaws.com"));
    EXPECT_FALSE(is_provider("staex.io"));
    EXPECT_TRUE(has_customers("amazonaws.com"));
    EXPECT_FALSE(has_customers("githubusercontent.com"));
}

} // namespace
} // namespace cofferdam
