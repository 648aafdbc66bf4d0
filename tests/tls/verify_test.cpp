// Upstream verification over a real connection: what may be spoken to, and what is said of the rest.
#include "loopback.hpp"
#include "temporary_file.hpp"
#include "tls/upstream.hpp"

namespace cofferdam::tls {
namespace {

namespace asio = boost::asio;
using test::certificate_options;
using test::identity;
using test::issue;
using test::make_root;

class upstream_verification : public testing::Test {
protected:
    /// Dials an origin as `host`; the failure, or nullopt if it was taken.
    std::optional<verify_failure> dial(std::string_view host, SSL_CTX& origin)
    {
        test::loopback loop;
        const upstream_context context(options_);
        tls_stream client(std::move(loop.near), std::move(*context.connection(host, 443)));
        tls_stream server(std::move(loop.far), test::accepting(origin));
        std::optional<verify_failure> out;
        auto dialling = [&]() -> asio::awaitable<void> {
            const auto failure = co_await client.async_handshake();
            if (failure) out = explain_failure(client.native(), failure);
            client.close();
        };
        auto answering = [&]() -> asio::awaitable<void> { co_await server.async_handshake(); };
        loop.start(dialling);
        loop.start(answering);
        loop.run();
        return out;
    }

    verify_failure refused(std::string_view host, const identity& who)
    {
        const auto origin = test::origin_context(who);
        const auto out = dial(host, *origin);
        EXPECT_TRUE(out) << "the origin was taken";
        return out.value_or(verify_failure{});
    }

    bool taken(std::string_view host, const identity& who)
    {
        const auto origin = test::origin_context(who);
        const auto out = dial(host, *origin);
        if (out) ADD_FAILURE() << out->check << ": " << out->detail;
        return !out;
    }

    identity root_ = make_root();
    test::temporary_file root_file_{root_.pem()};
    settings options_{.extra_roots = {root_file_.path()}};
};

TEST_F(upstream_verification, takes_what_is_right)
{
    EXPECT_TRUE(taken("origin.example", issue({}, &root_)));
    EXPECT_TRUE(taken("a.origin.example", issue({.alternative_names = "DNS:*.origin.example"}, &root_)));
    EXPECT_TRUE(taken("192.0.2.7", issue({.alternative_names = "IP:192.0.2.7"}, &root_)));
    EXPECT_TRUE(taken("2001:db8::7", issue({.alternative_names = "IP:2001:db8::7"}, &root_)));
    EXPECT_TRUE(taken("origin.example", issue({.purpose = ""}, &root_))) << "no extendedKeyUsage: any";
}

TEST_F(upstream_verification, wrong_name)
{
    const auto why = refused("other.example", issue({.alternative_names = "DNS:a.example,DNS:b.example,IP:192.0.2.7"}, &root_));
    EXPECT_EQ(why.check, "host_name");
    EXPECT_EQ(why.detail, "host name mismatch: certificate is for a.example, b.example, 192.0.2.7");
    EXPECT_EQ(why.x509_error, X509_V_ERR_HOSTNAME_MISMATCH);
    EXPECT_EQ(refused("192.0.2.8", issue({.alternative_names = "IP:192.0.2.7"}, &root_)).check, "host_name");
    EXPECT_EQ(refused("192.0.2.7", issue({.alternative_names = "DNS:192.0.2.7"}, &root_)).check, "host_name");
    EXPECT_EQ(refused("a.b.origin.example", issue({.alternative_names = "DNS:*.origin.example"}, &root_)).check, "host_name");
    EXPECT_EQ(refused("foo.origin.example", issue({.alternative_names = "DNS:f*.origin.example"}, &root_)).check, "host_name");
    const auto common = refused("origin.example", issue({.alternative_names = ""}, &root_));
    EXPECT_EQ(common.detail, "host name mismatch: certificate \"CN=origin.example\" has no subjectAltName");
}

TEST_F(upstream_verification, names_in_messages_are_harmless_and_bounded)
{
    std::string many = "DNS:x0.example";
    for (int i = 1; i < 20; ++i) many += ",DNS:x" + std::to_string(i) + ".example";
    const auto why = refused("other.example", issue({.alternative_names = many}, &root_));
    EXPECT_NE(why.detail.find("x7.example and 12 more"), std::string::npos) << why.detail;
    const auto rude = refused("other.example", issue({.alternative_names = "DNS:a\x1b[2J.example"}, &root_));
    EXPECT_EQ(rude.detail.find('\x1b'), std::string::npos) << "no escape sequence for somebody's terminal";
}

TEST_F(upstream_verification, wrong_time)
{
    const auto expired = refused("origin.example", issue({.from = -7200, .to = -3600}, &root_));
    EXPECT_EQ(expired.check, "expired");
    EXPECT_EQ(expired.detail.find("certificate has expired: not valid after 20"), 0U) << expired.detail;
    EXPECT_EQ(expired.x509_error, X509_V_ERR_CERT_HAS_EXPIRED);
    EXPECT_EQ(refused("origin.example", issue({.from = 3600, .to = 7200}, &root_)).check, "not_yet_valid");
}

TEST_F(upstream_verification, wrong_issuer)
{
    const auto stranger = make_root("Stranger");
    const auto why = refused("origin.example", issue({}, &stranger));
    EXPECT_EQ(why.check, "untrusted_issuer");
    EXPECT_EQ(why.detail, "unable to get local issuer certificate: issued by \"CN=Stranger\" (\"CN=origin.example\")");
    const auto self = refused("origin.example", issue({}));
    EXPECT_EQ(self.check, "self_signed");
    const auto impostor = make_root(); // the trusted root's name with another key
    EXPECT_NE(refused("origin.example", issue({}, &impostor)).check, "");
    const auto intermediate = issue({}, &root_); // not a CA
    EXPECT_NE(refused("origin.example", issue({}, &intermediate)).check, "");
}

TEST_F(upstream_verification, wrong_purpose)
{
    const auto why = refused("origin.example", issue({.purpose = "clientAuth"}, &root_));
    EXPECT_EQ(why.check, "purpose");
    EXPECT_EQ(why.x509_error, X509_V_ERR_INVALID_PURPOSE);
}

TEST_F(upstream_verification, old_tls)
{
    const auto who = issue({}, &root_);
    const auto origin = test::origin_context(who);
    SSL_CTX_set_max_proto_version(origin.get(), TLS1_2_VERSION);
    EXPECT_FALSE(dial("origin.example", *origin)) << "TLS 1.2 is enough unless configured";
    options_.min_version = "1.3";
    const auto strict = dial("origin.example", *origin);
    ASSERT_TRUE(strict);
    EXPECT_EQ(strict->check, "tls_version") << strict->detail;

    options_.min_version = "1.2";
    SSL_CTX_set_security_level(origin.get(), 0);
    SSL_CTX_set_min_proto_version(origin.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(origin.get(), TLS1_1_VERSION);
    const auto old = dial("origin.example", *origin);
    ASSERT_TRUE(old);
    EXPECT_EQ(old->check, "tls_version") << old->detail;
    EXPECT_EQ(old->x509_error, 0);
}

/// An origin that is not what it should be on the level of bytes.
TEST_F(upstream_verification, not_tls_at_all)
{
    for (const std::string greeting : {"SSH-2.0-x\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", ""}) {
        test::loopback loop;
        const upstream_context context(options_);
        tls_stream client(std::move(loop.near), std::move(*context.connection("origin.example", 443)));
        plain_stream server(std::move(loop.far));
        verify_failure why;
        auto dialling = [&]() -> asio::awaitable<void> {
            const auto failure = co_await client.async_handshake();
            why = explain_failure(client.native(), failure);
        };
        auto answering = [&]() -> asio::awaitable<void> {
            const auto text = as_bytes(greeting);
            co_await server.async_write(text);
            co_await server.async_shutdown_write();
        };
        loop.start(dialling);
        loop.start(answering);
        loop.run();
        EXPECT_EQ(why.check, greeting.empty() ? "closed" : "not_tls") << why.detail;
    }
}

} // namespace
} // namespace cofferdam::tls
