#include "tls/alpn.hpp"

#include <gtest/gtest.h>

namespace cofferdam::tls {
namespace {

using namespace std::literals;

class alpn_test : public testing::Test {
protected:
    /// What a server that accepts `offer` picks from the client's list; "!" for the alert.
    std::string pick(alpn_offer offer, std::string_view client)
    {
        EXPECT_FALSE(accept_protocols(*connection, offer));
        return pick(client);
    }
    std::string pick(std::string_view client)
    {
        const unsigned char* out = nullptr;
        unsigned char size = 0;
        const auto* in = reinterpret_cast<const unsigned char*>(client.data());
        const int got = select_protocol(connection.get(), &out, &size, in, static_cast<unsigned>(client.size()), nullptr);
        return got == SSL_TLSEXT_ERR_OK ? std::string(reinterpret_cast<const char*>(out), size) : "!";
    }

    ssl_ctx_ptr context{SSL_CTX_new(TLS_method())};
    ssl_ptr connection{SSL_new(context.get())};
};

TEST_F(alpn_test, the_clients_order_decides_among_what_is_accepted)
{
    const auto both = "\x02h2\x08http/1.1"sv, reversed = "\x08http/1.1\x02h2"sv, grpc = "\x02h2"sv, old = "\x08http/1.1"sv;
    EXPECT_EQ(pick(alpn_offer::http2_or_http1, both), "h2");
    EXPECT_EQ(pick(alpn_offer::http2_or_http1, reversed), "http/1.1");
    EXPECT_EQ(pick(alpn_offer::http1, both), "http/1.1");
    EXPECT_EQ(pick(alpn_offer::http1, grpc), "!");
    EXPECT_EQ(pick(alpn_offer::http2, both), "h2");
    EXPECT_EQ(pick(alpn_offer::http2, old), "!");
    EXPECT_EQ(pick(alpn_offer::http1_or_http2, "\x06spdy/3"sv), "!");
    EXPECT_EQ(pick(alpn_offer::http1_or_http2, ""), "!");
}

TEST_F(alpn_test, a_connection_that_nobody_spoke_of_takes_http1)
{
    EXPECT_EQ(pick("\x02h2\x08http/1.1"sv), "http/1.1");
    EXPECT_EQ(pick("\x02h2"sv), "!");
}

TEST_F(alpn_test, an_origin_is_offered_what_the_client_speaks)
{
    EXPECT_EQ(offer_upstream({}), alpn_offer::http1);
    EXPECT_EQ(offer_upstream({"http/1.1"}), alpn_offer::http1);
    EXPECT_EQ(offer_upstream({"h2", "http/1.1"}), alpn_offer::http2_or_http1);
    EXPECT_EQ(offer_upstream({"http/1.1", "h2"}), alpn_offer::http1_or_http2);
    EXPECT_EQ(offer_upstream({"h2"}), alpn_offer::http2_or_http1) << "bridged where the origin has HTTP/1.1 only";
    EXPECT_EQ(offer_upstream({"\x0a\x0a", "spdy/3"}), alpn_offer::http1);
}

TEST_F(alpn_test, offers_are_taken_by_openssl)
{
    for (const auto offer : {alpn_offer::http1, alpn_offer::http2, alpn_offer::http2_or_http1, alpn_offer::http1_or_http2})
        EXPECT_FALSE(offer_protocols(*connection, offer));
    EXPECT_FALSE(chose_http2(*connection));
}

} // namespace
} // namespace cofferdam::tls
