#include "core/error.hpp"
#include "temporary_file.hpp"
#include "test_pki.hpp"
#include "tls/authority.hpp"
#include "tls/trust_store.hpp"

#include <array>
#include <cstdio>
#include <gtest/gtest.h>
#include <openssl/sha.h>

namespace cofferdam::tls {
namespace {

using std::chrono::system_clock;

/// What a command says on its standard output and error; `status` gets its exit status.
std::string output_of(const std::string& command, int& status)
{
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    std::array<char, 4096> block{};
    while (const auto n = std::fread(block.data(), 1, block.size(), pipe)) out.append(block.data(), n);
    status = ::pclose(pipe);
    return out;
}

class a_trust_store : public testing::Test {
protected:
    std::string roots_ = test::make_root("Root A").pem() + test::make_root("Root B").pem();
    authority authority_{"0job1", settings{}, system_clock::now()};
    system_clock::time_point made_{std::chrono::seconds(1'700'000'000)};
};

TEST_F(a_trust_store, pem_holds_all_of_both)
{
    const auto bundle = pem_bundle(roots_, authority_.pem());
    const auto all = certificates_of(bundle);
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 3U);
    EXPECT_EQ(all->back(), authority_.der());
    const auto unended = pem_bundle(roots_.substr(0, roots_.size() - 1), authority_.pem());
    EXPECT_EQ(unended, bundle) << "a bundle without a final newline does not swallow the CA";
    EXPECT_EQ(pem_bundle("", authority_.pem()), authority_.pem());
}

TEST_F(a_trust_store, pem_reading)
{
    EXPECT_EQ(certificates_of("")->size(), 0U);
    EXPECT_EQ(certificates_of("# a comment\n" + roots_ + "trailing words\n")->size(), 2U);
    EXPECT_EQ(certificates_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").error(), errc::malformed);
    EXPECT_EQ(certificates_of(roots_ + "-----BEGIN CERTIFICATE-----\nMIIB").error(), errc::malformed);
}

TEST_F(a_trust_store, of_a_damaged_text_the_certificates_before_the_damage)
{
    const std::string key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    EXPECT_EQ(readable_certificates("# a comment\n" + roots_ + "trailing words\n"), roots_);
    EXPECT_EQ(readable_certificates(key + roots_ + key + "-----BEGIN CERTIFICATE-----\nMIIB"), roots_);
    EXPECT_EQ(readable_certificates("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + roots_), roots_);
    EXPECT_EQ(readable_certificates(""), "");
    EXPECT_EQ(readable_certificates("nothing of the kind"), "");
}

TEST_F(a_trust_store, what_openssl_adds_to_a_trusted_certificate_is_left_out)
{
    const bio_ptr in(BIO_new_mem_buf(authority_.pem().data(), static_cast<int>(authority_.pem().size())));
    const x509_ptr certificate(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    X509_alias_set1(certificate.get(), reinterpret_cast<const unsigned char*>("ours"), 4);
    const bio_ptr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_AUX(out.get(), certificate.get());
    const char* text = nullptr;
    const auto size = BIO_get_mem_data(out.get(), &text);
    const std::string pem(text, static_cast<std::size_t>(size));
    ASSERT_NE(pem.find("BEGIN TRUSTED CERTIFICATE"), std::string::npos);
    const auto all = certificates_of("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + pem);
    ASSERT_TRUE(all && all->size() == 1);
    EXPECT_EQ(all->front(), authority_.der());
}

TEST_F(a_trust_store, jks_format)
{
    const auto store = java_trust_store(roots_, authority_.pem(), made_, "changeit");
    ASSERT_TRUE(store);
    byte_reader in(*store);
    EXPECT_EQ(*in.u32(), 0xFEEDFEEDU);
    EXPECT_EQ(*in.u32(), 2U);
    EXPECT_EQ(*in.u32(), 3U);
    const auto text = [&in] { return std::string(as_text(*in.take(*in.u16()))); };
    for (const std::string alias : {"cofferdam-job-ca", "root-1", "root-2"}) {
        EXPECT_EQ(*in.u32(), 2U) << "a trusted certificate";
        EXPECT_EQ(text(), alias);
        EXPECT_EQ(std::uint64_t{*in.u32()} << 32 | *in.u32(), 1'700'000'000'000U);
        EXPECT_EQ(text(), "X.509");
        const auto der = in.take(*in.u32());
        ASSERT_TRUE(der);
        const bool ours = std::equal(der->begin(), der->end(), authority_.der().begin(), authority_.der().end());
        EXPECT_EQ(ours, alias == "cofferdam-job-ca");
    }
    std::string sealed;
    for (const char c : std::string("changeit")) sealed += {'\0', c};
    sealed += "Mighty Aphrodite";
    sealed += as_text(byte_view(*store).first(in.position()));
    std::array<unsigned char, 20> digest{};
    SHA1(reinterpret_cast<const unsigned char*>(sealed.data()), sealed.size(), digest.data());
    const auto seal = in.take(20);
    ASSERT_TRUE(seal);
    EXPECT_TRUE(std::equal(seal->begin(), seal->end(), digest.begin()));
    EXPECT_TRUE(in.empty());
}

TEST_F(a_trust_store, keytool_reads_it)
{
    const auto system = read_system_bundle();
    ASSERT_FALSE(system.empty()) << "the build machine has root certificates";
    const auto store = java_trust_store(system, authority_.pem(), made_);
    ASSERT_TRUE(store);
    const test::temporary_file file(as_text(*store));
    int status = 0;
    const auto listing = output_of("keytool -list -keystore " + file.path() + " -storepass changeit", status);
    EXPECT_EQ(status, 0) << listing;
    const auto count = std::to_string(certificates_of(system)->size() + 1);
    EXPECT_NE(listing.find("contains " + count + " entries"), std::string::npos) << listing.substr(0, 400);
    EXPECT_NE(listing.find("cofferdam-job-ca, Nov 14, 2023, trustedCertEntry"), std::string::npos) << listing.substr(0, 400);
    const auto refused = output_of("keytool -list -keystore " + file.path() + " -storepass another", status);
    EXPECT_NE(status, 0) << "the seal is checked";
}

TEST_F(a_trust_store, refuses_what_is_no_certificate)
{
    EXPECT_EQ(java_trust_store("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", authority_.pem(), made_).error(),
              errc::malformed);
    EXPECT_EQ(java_trust_store(roots_, "", made_).error(), errc::malformed);
    EXPECT_EQ(java_trust_store(roots_, roots_, made_).error(), errc::malformed);
    EXPECT_EQ(subject_hash_name("nothing").error(), errc::malformed);
}

TEST_F(a_trust_store, hash_name_is_that_of_openssl)
{
    const test::temporary_file file(authority_.pem());
    int status = 0;
    const auto said = output_of("openssl x509 -noout -subject_hash -in " + file.path(), status);
    EXPECT_EQ(*subject_hash_name(authority_.pem()) + "\n", said.substr(0, 8) + ".0\n");
}

TEST_F(a_trust_store, environment_chooses_the_bundle)
{
    const test::temporary_file file(roots_);
    ::setenv("SSL_CERT_FILE", file.path().c_str(), 1);
    EXPECT_EQ(find_system_bundle(), file.path());
    EXPECT_EQ(read_system_bundle(), roots_);
    ::setenv("SSL_CERT_FILE", "/nonexistent/roots.pem", 1);
    EXPECT_THROW(read_system_bundle(), std::runtime_error) << "a chosen file that is not there is not silently another";
    ::unsetenv("SSL_CERT_FILE");
}

} // namespace
} // namespace cofferdam::tls
