#include "http/connection_auth.hpp"

#include <gtest/gtest.h>

namespace cofferdam::http {
namespace {

bool binds(std::string_view name, std::string_view value)
{
    return binds_connection({{"accept", "*/*"}, {name, value}});
}

TEST(connection_auth, schemes_of_each_message_do_not_bind)
{
    for (const auto* value : {"Basic dTpw", "basic dTpw", "Bearer abc", "Digest username=\"u\"", "token 12ab", "BEARER x",
                              "AWS4-HMAC-SHA256 Credential=a/b"})
        EXPECT_FALSE(binds("Authorization", value)) << value;
    EXPECT_FALSE(binds("Cookie", "NTLM=1"));
    EXPECT_FALSE(binds_connection({}));
}

TEST(connection_auth, schemes_of_the_connection_and_unknown_ones_bind)
{
    for (const auto* value : {"NTLM TlRM", "ntlm TlRM", "Negotiate YII", "NEGOTIATE", "Mutual x", "Basicx y", "", "Bearer\tabc"})
        EXPECT_TRUE(binds("authorization", value)) << value;
}

TEST(connection_auth, an_offer_of_such_a_scheme_binds)
{
    for (const auto* value : {"NTLM", "Negotiate", "Basic realm=\"x\", Negotiate", "Basic realm=\"x\",ntlm", "Kerberos"})
        EXPECT_TRUE(binds("WWW-Authenticate", value)) << value;
    EXPECT_FALSE(binds("WWW-Authenticate", "Basic realm=\"x\", Bearer"));
}

} // namespace
} // namespace cofferdam::http
