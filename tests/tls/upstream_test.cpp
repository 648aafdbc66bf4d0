#include "core/error.hpp"
#include "temporary_file.hpp"
#include "test_pki.hpp"
#include "tls/authority.hpp"
#include "tls/openssl_error.hpp"
#include "tls/upstream.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <thread>
#include <vector>

namespace cofferdam::tls {
namespace {

/// What the constructor says, or "".
std::string complaint(const settings& options)
{
    try {
        const upstream_context made(options);
        return {};
    }
    catch (const std::runtime_error& e) {
        return e.what();
    }
}

settings with_roots(const std::string& path)
{
    settings out;
    out.extra_roots = {path};
    return out;
}

TEST(upstream, settings_that_do_not_work_are_located)
{
    EXPECT_EQ(complaint(with_roots("/nonexistent/root.pem")),
              "tls.extra_roots: /nonexistent/root.pem: No such file or directory");
    const test::temporary_file empty("");
    EXPECT_EQ(complaint(with_roots(empty.path())), "tls.extra_roots: " + empty.path() + ": holds no PEM certificate");
    const auto root = test::make_root().pem();
    const test::temporary_file broken(root + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const auto expected = "tls.extra_roots: " + broken.path() + ": certificate 2 does not parse";
    EXPECT_EQ(complaint(with_roots(broken.path())).find(expected), 0U);
    const test::temporary_file good(root);
    EXPECT_EQ(complaint(with_roots(good.path())), "");
    settings old;
    old.min_version = "1.1";
    EXPECT_EQ(complaint(old), "tls.min_version: \"1.1\" is neither \"1.2\" nor \"1.3\"");
}

TEST(upstream, names_get_sni_and_addresses_do_not)
{
    const upstream_context context{settings{}};
    const auto name = context.connection("a.example", 443);
    ASSERT_TRUE(name);
    EXPECT_STREQ(SSL_get_servername(name->get(), TLSEXT_NAMETYPE_host_name), "a.example");
    EXPECT_NE(SSL_get_verify_mode(name->get()) & SSL_VERIFY_PEER, 0);
    const auto address = context.connection("192.0.2.7", 443);
    ASSERT_TRUE(address);
    EXPECT_EQ(SSL_get_servername(address->get(), TLSEXT_NAMETYPE_host_name), nullptr);
    EXPECT_EQ(context.connection("", 443).error(), errc::malformed);
    EXPECT_EQ(context.connection("a.example.", 443).error(), errc::malformed);
    EXPECT_EQ(context.connection(std::string("a\0b", 3), 443).error(), errc::malformed);
    EXPECT_EQ(context.connection(std::string(254, 'a'), 443).error(), errc::malformed);
}

/// As OpenSSL puts a fault of its TLS code into the queue.
int packed(int why)
{
    return static_cast<int>(static_cast<unsigned>(ERR_LIB_SSL) << ERR_LIB_OFFSET | static_cast<unsigned>(why));
}

/// A full handshake in memory. True if the client took the leaf.
bool shakes_hands(SSL& client, SSL& server)
{
    BIO* near = nullptr;
    BIO* far = nullptr;
    BIO_new_bio_pair(&near, 0, &far, 0);
    SSL_set_bio(&client, near, near);
    SSL_set_bio(&server, far, far);
    for (int i = 0; i < 6; ++i) {
        SSL_do_handshake(&client);
        SSL_do_handshake(&server);
    }
    ERR_clear_error();
    return SSL_is_init_finished(&client) != 0 && SSL_is_init_finished(&server) != 0;
}

TEST(upstream, threads_share_contexts_authority_and_leaf_key)
{
    const authority ca("0job1", settings{}, std::chrono::system_clock::now());
    leaf_cache leaves(ca, 4);
    const auto server_context = make_server_context(settings{});
    const test::temporary_file root(ca.pem());
    const upstream_context client_context(with_roots(root.path()));
    std::atomic<int> served = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 25; ++i) {
                const auto host = "h" + std::to_string((i + t) % 6) + ".example";
                const ssl_ptr server(SSL_new(server_context.get()));
                SSL_set_accept_state(server.get());
                const auto minted = leaves.get(host, leaf_kind::origin);
                if (ca.present(*server, minted->certificate)) continue;
                const auto client = client_context.connection(host, 443);
                if (shakes_hands(**client, *server)) ++served;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(served, 100);
}

TEST(openssl_errors, have_words_and_are_never_success)
{
    EXPECT_TRUE(take_openssl_error()) << "an empty queue is not success";
    const error_code alert(packed(SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_CA), openssl_category());
    EXPECT_TRUE(is_certificate_alert(alert));
    EXPECT_EQ(alert.message(), "tlsv1 alert unknown ca");
    const error_code other(packed(SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE), openssl_category());
    EXPECT_TRUE(is_received_alert(other));
    EXPECT_FALSE(is_certificate_alert(other));
    EXPECT_FALSE(is_received_alert(error_code(packed(SSL_R_BAD_LENGTH), openssl_category())));
    EXPECT_FALSE(is_received_alert(errc::closed));
}

} // namespace
} // namespace cofferdam::tls
