#include "tls/authority.hpp"

#include "core/error.hpp"
#include "core/ip.hpp"
#include "tls/alpn.hpp"
#include "tls/leaf_key.hpp"
#include "tls/openssl_error.hpp"

#include <algorithm>
#include <array>
#include <openssl/rand.h>
#include <span>

namespace cofferdam::tls {
namespace {

/// Clocks of job containers differ a little from ours.
constexpr std::chrono::minutes clock_skew{5};
/// X.520 ub-common-name.
constexpr std::size_t max_common_name = 64;
constexpr std::size_t ca_serial_bytes = 16;
constexpr std::size_t leaf_serial_bytes = 8;

using name_list_ptr = std::unique_ptr<GENERAL_NAMES, openssl_free<GENERAL_NAMES_free>>;
using bits_ptr = std::unique_ptr<ASN1_BIT_STRING, openssl_free<ASN1_BIT_STRING_free>>;
using octets_ptr = std::unique_ptr<ASN1_OCTET_STRING, openssl_free<ASN1_OCTET_STRING_free>>;
using basic_ptr = std::unique_ptr<BASIC_CONSTRAINTS, openssl_free<BASIC_CONSTRAINTS_free>>;
using purposes_ptr = std::unique_ptr<EXTENDED_KEY_USAGE, openssl_free<EXTENDED_KEY_USAGE_free>>;
using issuer_id_ptr = std::unique_ptr<AUTHORITY_KEYID, openssl_free<AUTHORITY_KEYID_free>>;
using general_name_ptr = std::unique_ptr<GENERAL_NAME, openssl_free<GENERAL_NAME_free>>;

/// Every OpenSSL call that makes a certificate either works or ends the making.
void need(bool worked, const char* step)
{
    if (!worked) throw openssl_failure(step);
}

void set_serial(X509& certificate, std::span<std::uint8_t> bytes)
{
    need(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1, "drawing a serial number");
    bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x7f) | 0x40); // positive, and always of the same length
    need(ASN1_STRING_set(X509_get_serialNumber(&certificate), bytes.data(), static_cast<int>(bytes.size())) == 1, "serial");
}

void set_validity(X509& certificate, authority::time_point from, authority::time_point to)
{
    need(ASN1_TIME_set(X509_getm_notBefore(&certificate), std::chrono::system_clock::to_time_t(from)) != nullptr, "notBefore");
    need(ASN1_TIME_set(X509_getm_notAfter(&certificate), std::chrono::system_clock::to_time_t(to)) != nullptr, "notAfter");
}

void add_name(X509_NAME* name, int nid, std::string_view text)
{
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    need(X509_NAME_add_entry_by_NID(name, nid, V_ASN1_UTF8STRING, bytes, static_cast<int>(text.size()), -1, 0) == 1, "subject");
}

void add_extension(X509& certificate, int nid, void* value, bool critical)
{
    need(X509_add1_ext_i2d(&certificate, nid, value, critical ? 1 : 0, X509V3_ADD_APPEND) == 1, "adding an extension");
}

void add_key_usage(X509& certificate, std::initializer_list<int> bits)
{
    const bits_ptr usage(ASN1_BIT_STRING_new());
    need(usage != nullptr, "keyUsage");
    for (const int bit : bits) need(ASN1_BIT_STRING_set_bit(usage.get(), bit, 1) == 1, "keyUsage");
    add_extension(certificate, NID_key_usage, usage.get(), true);
}

/// SHA-1 of the public key: RFC 5280 4.2.1.2 (1). An identifier, not a security property.
octets_ptr key_identifier(X509& certificate)
{
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    need(X509_pubkey_digest(&certificate, EVP_sha1(), digest.data(), &size) == 1, "key identifier");
    octets_ptr id(ASN1_OCTET_STRING_new());
    need(id && ASN1_OCTET_STRING_set(id.get(), digest.data(), static_cast<int>(size)) == 1, "key identifier");
    return id;
}

void add_authority_key_identifier(X509& certificate, const ASN1_OCTET_STRING& of_issuer)
{
    const issuer_id_ptr id(AUTHORITY_KEYID_new());
    need(id != nullptr, "authorityKeyIdentifier");
    id->keyid = ASN1_OCTET_STRING_dup(&of_issuer);
    need(id->keyid != nullptr, "authorityKeyIdentifier");
    add_extension(certificate, NID_authority_key_identifier, id.get(), false);
}

void add_subject_alternative_name(X509& certificate, std::string_view host, const result<ip_address>& address)
{
    const name_list_ptr names(sk_GENERAL_NAME_new_null());
    general_name_ptr name(GENERAL_NAME_new());
    need(names && name, "subjectAltName");
    const auto bytes = address ? address->bytes() : as_bytes(host);
    auto* text = address ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    need(text != nullptr, "subjectAltName");
    GENERAL_NAME_set0_value(name.get(), address ? GEN_IPADD : GEN_DNS, text);
    need(ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size())) == 1, "subjectAltName");
    need(sk_GENERAL_NAME_push(names.get(), name.get()) > 0, "subjectAltName");
    static_cast<void>(name.release());
    add_extension(certificate, NID_subject_alt_name, names.get(), false);
}

void add_server_purpose(X509& certificate)
{
    const purposes_ptr purposes(EXTENDED_KEY_USAGE_new());
    need(purposes && sk_ASN1_OBJECT_push(purposes.get(), OBJ_nid2obj(NID_server_auth)) > 0, "extendedKeyUsage");
    add_extension(certificate, NID_ext_key_usage, purposes.get(), false);
}

x509_ptr make_ca_certificate(std::string_view job, EVP_PKEY& key, authority::time_point from, authority::time_point to)
{
    x509_ptr certificate(X509_new());
    need(certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1, "making a certificate");
    auto& made = *certificate;
    std::array<std::uint8_t, ca_serial_bytes> serial{};
    set_serial(made, serial);
    set_validity(made, from, to);
    auto name = "Cofferdam job CA " + std::string(job);
    name.resize(std::min(name.size(), max_common_name));
    add_name(X509_get_subject_name(&made), NID_organizationName, "Cofferdam");
    add_name(X509_get_subject_name(&made), NID_commonName, name);
    need(X509_set_issuer_name(&made, X509_get_subject_name(&made)) == 1, "issuer");
    need(X509_set_pubkey(&made, &key) == 1, "public key");

    const basic_ptr basic(BASIC_CONSTRAINTS_new());
    need(basic != nullptr, "basicConstraints");
    basic->ca = 0xff;
    basic->pathlen = ASN1_INTEGER_new();
    need(basic->pathlen && ASN1_INTEGER_set(basic->pathlen, 0) == 1, "basicConstraints");
    add_extension(made, NID_basic_constraints, basic.get(), true);
    add_key_usage(made, {5}); // keyCertSign
    const auto id = key_identifier(made);
    add_extension(made, NID_subject_key_identifier, id.get(), false);
    need(X509_sign(&made, &key, EVP_sha256()) > 0, "signing the job's CA");
    return certificate;
}

/// Names that policy has made canonical, and nothing that a certificate could take for more than one name.
bool is_host_name(std::string_view name)
{
    if (name.empty() || name.size() > 253) return false;
    std::size_t label = 0;
    for (const char c : name) {
        if (c == '.') {
            if (label == 0) return false;
            label = 0;
            continue;
        }
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') || ++label > 63) return false;
    }
    return label > 0;
}

} // namespace

authority::authority(std::string_view job, const settings& options, time_point now)
    : ca_key_(EVP_EC_gen("P-256")), leaf_key_(make_leaf_key()), not_after_(now + options.ca_lifetime)
{
    need(ca_key_ && leaf_key_, "making the job's keys");
    certificate_ = make_ca_certificate(job, *ca_key_, now - clock_skew, not_after_);
    unsigned char* bytes = nullptr;
    const int size = i2d_X509(certificate_.get(), &bytes);
    need(size > 0, "encoding the job's CA");
    der_.assign(bytes, bytes + size);
    OPENSSL_free(bytes);
    // X509V3 fields are decoded on first use, under a lock in the object: do it here, once, not in every worker.
    need(X509_check_ca(certificate_.get()) == 1, "checking the job's CA");

    const bio_ptr out(BIO_new(BIO_s_mem()));
    need(out && PEM_write_bio_X509(out.get(), certificate_.get()) == 1, "encoding the job's CA");
    char* text = nullptr;
    const long length = BIO_get_mem_data(out.get(), &text);
    pem_.assign(text, static_cast<std::size_t>(length));
}

result<leaf> authority::mint(std::string_view host, leaf_kind kind) const
try {
    const auto address = ip_address::parse(host);
    if (!address && !is_host_name(host)) return errc::malformed;
    leaf minted(X509_new(), X509_free);
    need(minted && X509_set_version(minted.get(), X509_VERSION_3) == 1, "making a certificate");
    auto& made = *minted;
    std::array<std::uint8_t, leaf_serial_bytes> serial{};
    set_serial(made, serial);
    need(X509_set1_notBefore(&made, X509_get0_notBefore(certificate_.get())) == 1, "notBefore");
    need(X509_set1_notAfter(&made, X509_get0_notAfter(certificate_.get())) == 1, "notAfter");
    auto* subject = X509_get_subject_name(&made);
    add_name(subject, NID_organizationName, "Cofferdam");
    if (kind == leaf_kind::refusal) add_name(subject, NID_organizationalUnitName, "gateway's own answer");
    if (host.size() <= max_common_name) add_name(subject, NID_commonName, host);
    need(X509_set_issuer_name(&made, X509_get_subject_name(certificate_.get())) == 1, "issuer");
    need(X509_set_pubkey(&made, leaf_key_.get()) == 1, "public key");

    add_key_usage(made, {0}); // digitalSignature
    add_server_purpose(made);
    add_subject_alternative_name(made, host, address);
    const auto id = key_identifier(made);
    add_extension(made, NID_subject_key_identifier, id.get(), false);
    add_authority_key_identifier(made, *X509_get0_subject_key_id(certificate_.get()));
    need(X509_sign(&made, ca_key_.get(), EVP_sha256()) > 0, "signing a leaf");
    return minted;
}
catch (const openssl_failure&) {
    return errc::unsupported;
}

error_code authority::present(SSL& connection, const leaf& certificate) const
{
    // A ticket made under another leaf is as good as none (ssl_get_prev_session() compares the contexts).
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    const bool bound = X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size) == 1 &&
                       SSL_set_session_id_context(&connection, digest.data(), size) == 1;
    if (bound && SSL_use_cert_and_key(&connection, certificate.get(), leaf_key_.get(), nullptr, 1) == 1) return {};
    return take_openssl_error();
}

leaf_cache::leaf_cache(const authority& issuer, std::size_t capacity)
    : issuer_(issuer), capacity_(std::max<std::size_t>(capacity, 1))
{
}

result<leaf_cache::lookup> leaf_cache::get(std::string_view host, leaf_kind kind)
{
    std::string key(1, kind == leaf_kind::refusal ? '!' : '=');
    key += host;
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = index_.find(key); found != index_.end()) {
            recent_.splice(recent_.begin(), recent_, found->second);
            return lookup{found->second->certificate, true};
        }
    }
    // Minted outside the lock: a signature takes longer than everybody else should wait. Two threads may mint the same
    // leaf at once; the second throws its own away.
    auto minted = issuer_.mint(host, kind);
    if (!minted) return minted.error();
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) return lookup{found->second->certificate, false};
    recent_.push_front(entry{key, *minted});
    index_.emplace(recent_.front().key, recent_.begin());
    if (recent_.size() > capacity_) {
        index_.erase(recent_.back().key);
        recent_.pop_back();
    }
    return lookup{*minted, false};
}

std::size_t leaf_cache::size() const
{
    const std::lock_guard lock(mutex_);
    return recent_.size();
}

ssl_ctx_ptr make_server_context(const settings& options)
{
    ssl_ctx_ptr context(SSL_CTX_new(TLS_server_method()));
    need(context != nullptr, "making the downstream TLS context");
    auto* made = context.get();
    need(SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION) == 1, "downstream protocol versions");
    const bool resumes = options.session_lifetime.count() > 0;
    SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                  SSL_OP_PRIORITIZE_CHACHA | (resumes ? 0 : SSL_OP_NO_TICKET));
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(made, static_cast<long>(options.session_lifetime.count()));
    need(SSL_CTX_set_num_tickets(made, resumes ? 1 : 0) == 1, "session tickets");
    need(SSL_CTX_set_max_early_data(made, 0) == 1, "early data");
    // Our leaves are ECDSA only. AES-128 first: the way to the job is inside one machine.
    need(SSL_CTX_set_ciphersuites(made, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
             SSL_CTX_set_cipher_list(made, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                                           "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA") == 1,
         "downstream cipher suites");
    SSL_CTX_set_alpn_select_cb(made, select_protocol, nullptr);
    set_stream_modes(*made);
    return context;
}

} // namespace cofferdam::tls
