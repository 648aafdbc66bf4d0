#include "core/error.hpp"
#include "tls/authority.hpp"
#include "tls/openssl_error.hpp"

#include <gtest/gtest.h>
#include <set>
#include <thread>

namespace cofferdam::tls {
namespace {

using std::chrono::system_clock;

x509_ptr decode(const std::vector<std::uint8_t>& der)
{
    const unsigned char* at = der.data();
    return x509_ptr(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

/// The subject as "O=...,CN=...".
std::string subject(const X509* certificate)
{
    const bio_ptr out(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253 & ~XN_FLAG_DN_REV);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

/// X509_V_OK if a TLS client with `root` as its only root would take the chain.
int verify(X509* root, X509* certificate)
{
    X509_STORE* store = X509_STORE_new();
    X509_STORE_add_cert(store, root);
    X509_STORE_CTX* context = X509_STORE_CTX_new();
    X509_STORE_CTX_init(context, store, certificate, nullptr);
    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_X509_STRICT);
    X509_verify_cert(context);
    const int verdict = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return verdict;
}

class an_authority : public testing::Test {
protected:
    settings options_;
    authority authority_{"0job1", options_, system_clock::now()};
    x509_ptr ca_ = decode(authority_.der());
};

TEST_F(an_authority, certificate_says_what_it_may)
{
    EXPECT_EQ(subject(ca_.get()), "O=Cofferdam,CN=Cofferdam job CA 0job1");
    EXPECT_EQ(X509_check_ca(ca_.get()), 1);
    EXPECT_EQ(X509_get_pathlen(ca_.get()), 0);
    EXPECT_EQ(X509_get_key_usage(ca_.get()), static_cast<std::uint32_t>(KU_KEY_CERT_SIGN));
    int days = 0;
    int seconds = 0;
    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(ca_.get()), X509_get0_notAfter(ca_.get()));
    EXPECT_EQ(days * 86400 + seconds, 24 * 3600 + 300);
    EXPECT_EQ(authority_.pem().find("-----BEGIN CERTIFICATE-----"), 0U);
    EXPECT_EQ(authority_.pem().find("KEY"), std::string::npos);
    const authority other("0job1", options_, system_clock::now());
    EXPECT_NE(other.der(), authority_.der());
    const authority wordy(std::string(200, 'x'), options_, system_clock::now());
    EXPECT_FALSE(wordy.der().empty()) << "a long job id is cut, not an error";
}

TEST_F(an_authority, leaf_is_for_exactly_one_name)
{
    const auto minted = authority_.mint("a.example", leaf_kind::origin);
    ASSERT_TRUE(minted);
    auto* const certificate = minted->get();
    EXPECT_EQ(verify(ca_.get(), certificate), X509_V_OK) << X509_verify_cert_error_string(verify(ca_.get(), certificate));
    EXPECT_EQ(X509_check_host(certificate, "a.example", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_check_host(certificate, "b.example", 0, 0, nullptr), 0);
    EXPECT_EQ(X509_check_host(certificate, "x.a.example", 0, 0, nullptr), 0);
    EXPECT_EQ(X509_get_extended_key_usage(certificate), static_cast<std::uint32_t>(XKU_SSL_SERVER));
    EXPECT_EQ(X509_check_ca(certificate), 0);
    EXPECT_EQ(subject(certificate), "O=Cofferdam,CN=a.example");
    EXPECT_EQ(ASN1_TIME_compare(X509_get0_notAfter(certificate), X509_get0_notAfter(ca_.get())), 0);
    const authority other("0job1", options_, system_clock::now());
    EXPECT_NE(verify(decode(other.der()).get(), certificate), X509_V_OK) << "another job's CA, same name";
}

TEST_F(an_authority, leaf_for_an_address)
{
    const auto v4 = authority_.mint("192.0.2.7", leaf_kind::origin);
    ASSERT_TRUE(v4);
    EXPECT_EQ(X509_check_ip_asc(v4->get(), "192.0.2.7", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(v4->get(), "192.0.2.8", 0), 0);
    EXPECT_NE(X509_check_host(v4->get(), "192.0.2.7", 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr), 1);
    const auto v6 = authority_.mint("2001:db8::7", leaf_kind::origin);
    ASSERT_TRUE(v6);
    EXPECT_EQ(X509_check_ip_asc(v6->get(), "2001:db8::7", 0), 1);
    EXPECT_EQ(verify(ca_.get(), v6->get()), X509_V_OK);
}

TEST_F(an_authority, a_refusal_says_so_to_a_person)
{
    const auto minted = authority_.mint("a.example", leaf_kind::refusal);
    ASSERT_TRUE(minted);
    EXPECT_EQ(subject(minted->get()), "O=Cofferdam,OU=gateway's own answer,CN=a.example");
    EXPECT_EQ(verify(ca_.get(), minted->get()), X509_V_OK);
}

TEST_F(an_authority, long_names_have_no_common_name)
{
    const auto name = std::string(63, 'a') + "." + std::string(63, 'b') + ".example";
    const auto minted = authority_.mint(name, leaf_kind::origin);
    ASSERT_TRUE(minted);
    EXPECT_EQ(subject(minted->get()), "O=Cofferdam");
    EXPECT_EQ(X509_check_host(minted->get(), name.c_str(), 0, 0, nullptr), 1);
    EXPECT_EQ(verify(ca_.get(), minted->get()), X509_V_OK);
}

TEST_F(an_authority, mints_for_canonical_names_only)
{
    using namespace std::string_literals;
    for (const auto& host : {""s, "."s, "a."s, ".a"s, "a..b"s, "*.example"s, "A.example"s, "a b"s, "a\0b"s, "\xc3\xa9.example"s,
                             "a,b"s, "[::1]"s, "a:443"s, std::string(64, 'a') + ".example", std::string(254, 'a')}) {
        const auto minted = authority_.mint(host, leaf_kind::origin);
        EXPECT_TRUE(!minted && minted.error() == errc::malformed) << host;
    }
    EXPECT_TRUE(authority_.mint("xn--bcher-kva.example", leaf_kind::origin));
    EXPECT_TRUE(authority_.mint("_srv.a.example", leaf_kind::origin));
    EXPECT_TRUE(authority_.mint("localhost", leaf_kind::origin));
}

TEST_F(an_authority, serial_numbers_differ)
{
    std::set<std::string> seen;
    for (int i = 0; i < 200; ++i) {
        const auto minted = authority_.mint("a.example", leaf_kind::origin);
        const auto* serial = X509_get0_serialNumber(minted->get());
        EXPECT_EQ(ASN1_STRING_length(serial), 8);
        seen.emplace(reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)), 8);
    }
    EXPECT_EQ(seen.size(), 200U);
}

TEST_F(an_authority, cache_keeps_the_most_recent)
{
    leaf_cache cache(authority_, 2);
    const auto first = cache.get("a.example", leaf_kind::origin);
    EXPECT_FALSE(first->hit);
    EXPECT_TRUE(cache.get("a.example", leaf_kind::origin)->hit);
    EXPECT_EQ(cache.get("a.example", leaf_kind::origin)->certificate, first->certificate);
    EXPECT_FALSE(cache.get("a.example", leaf_kind::refusal)->hit) << "a refusal is another leaf";
    EXPECT_TRUE(cache.get("a.example", leaf_kind::origin)->hit);
    EXPECT_FALSE(cache.get("b.example", leaf_kind::origin)->hit);
    EXPECT_EQ(cache.size(), 2U);
    EXPECT_TRUE(cache.get("a.example", leaf_kind::origin)->hit);
    EXPECT_FALSE(cache.get("a.example", leaf_kind::refusal)->hit) << "it was the least recent";
    EXPECT_EQ(cache.get("*", leaf_kind::origin).error(), errc::malformed);
    EXPECT_EQ(cache.size(), 2U);
}

TEST_F(an_authority, cache_serves_many_threads)
{
    leaf_cache cache(authority_, 8);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&cache, t] {
            for (int i = 0; i < 300; ++i) {
                const auto host = "h" + std::to_string((i * 7 + t) % 12) + ".example";
                const auto got = cache.get(host, leaf_kind::origin);
                ASSERT_TRUE(got);
                ASSERT_EQ(X509_check_host(got->certificate.get(), host.c_str(), 0, 0, nullptr), 1);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(cache.size(), 8U);
}

} // namespace
} // namespace cofferdam::tls
