#include "tls/upstream.hpp"

#include "core/error.hpp"
#include "core/ip.hpp"
#include "core/text.hpp"
#include "tls/openssl_error.hpp"
#include "tls/system_roots.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <openssl/err.h>

namespace cofferdam::tls {
namespace {

/// Names of a certificate that a message quotes; the rest is counted.
constexpr int max_quoted_names = 8;
constexpr std::size_t max_quoted_size = 512;

/// The first fault found in a chain, kept with its connection: OpenSSL drops the peer's certificate when it is refused.
struct noted_failure {
    verify_failure what;
};

void free_note(void*, void* note, CRYPTO_EX_DATA*, int, long, void*)
{
    delete static_cast<noted_failure*>(note);
}

int note_slot()
{
    static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_note);
    return slot;
}

std::string printable(std::string text)
{
    text.resize(std::min(text.size(), max_quoted_size));
    return escape_line(text);
}

std::string text_of(const ASN1_STRING& value)
{
    const auto* bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(&value));
    return {bytes, static_cast<std::size_t>(ASN1_STRING_length(&value))};
}

std::string time_text(const ASN1_TIME& time)
{
    const bio_ptr out(BIO_new(BIO_s_mem()));
    if (!out || ASN1_TIME_print_ex(out.get(), &time, ASN1_DTFLGS_ISO8601) != 1) return "an unreadable time";
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return printable({text, static_cast<std::size_t>(size)});
}

std::string text_of(const X509_NAME& name)
{
    const bio_ptr out(BIO_new(BIO_s_mem()));
    if (!out || X509_NAME_print_ex(out.get(), &name, 0, XN_FLAG_RFC2253) < 0) return "an unreadable name";
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return printable({text, static_cast<std::size_t>(size)});
}

std::string text_of(const GENERAL_NAME& name)
{
    int type = 0;
    const auto* value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(&name, &type));
    if (type == GEN_DNS) return text_of(*value);
    const auto size = ASN1_STRING_length(value);
    const auto* bytes = ASN1_STRING_get0_data(value);
    if (size == 4) return ip_address::v4({bytes[0], bytes[1], bytes[2], bytes[3]}).to_string();
    if (size != 16) return "an address of a wrong length";
    ip_address::v6_bytes v6{};
    std::copy(bytes, bytes + 16, v6.begin());
    return ip_address::v6(v6).to_string();
}

/// "a.example, b.example and 3 more", or empty.
std::string names_of(const X509& certificate)
{
    using names_ptr = std::unique_ptr<GENERAL_NAMES, openssl_free<GENERAL_NAMES_free>>;
    const names_ptr names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::string out;
    int count = 0;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const auto& name = *sk_GENERAL_NAME_value(names.get(), i);
        if (name.type != GEN_DNS && name.type != GEN_IPADD) continue;
        if (++count <= max_quoted_names) out += (out.empty() ? "" : ", ") + text_of(name);
    }
    out = printable(std::move(out));
    if (count > max_quoted_names) out += " and " + std::to_string(count - max_quoted_names) + " more";
    return out;
}

std::string subject_of(const X509& certificate)
{
    return "\"" + text_of(*X509_get_subject_name(&certificate)) + "\"";
}

std::string describe_mismatch(const X509& certificate)
{
    const auto names = names_of(certificate);
    if (names.empty()) return "host name mismatch: certificate " + subject_of(certificate) + " has no subjectAltName";
    return "host name mismatch: certificate is for " + names;
}

verify_failure describe_fault(int code, const X509& certificate)
{
    const auto whose = " (" + subject_of(certificate) + ")";
    const std::string says = X509_verify_cert_error_string(code);
    const auto from = [&](const char* check, std::string detail) { return verify_failure{code, check, std::move(detail)}; };
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return from("expired",
                    "certificate has expired: not valid after " + time_text(*X509_get0_notAfter(&certificate)) + whose);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return from("not_yet_valid",
                    "certificate is not yet valid: not before " + time_text(*X509_get0_notBefore(&certificate)) + whose);
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return from("host_name", describe_mismatch(certificate));
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return from("self_signed", says + whose);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return from("untrusted_issuer", says + ": issued by \"" + text_of(*X509_get_issuer_name(&certificate)) + "\"" + whose);
    case X509_V_ERR_INVALID_PURPOSE: return from("purpose", "certificate is not for TLS servers (extendedKeyUsage)" + whose);
    case X509_V_ERR_CERT_REVOKED: return from("revoked", says + whose);
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK: return from("weak_key", says + whose);
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return from("signature", says + whose);
    default: return from("certificate", says + whose);
    }
}

/// Called by OpenSSL for each certificate of a chain and each fault; never turns a fault into a success.
int note_fault(int accepted, X509_STORE_CTX* chain)
{
    if (accepted) return 1;
    auto* connection = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    const auto* certificate = X509_STORE_CTX_get_current_cert(chain);
    if (!connection || SSL_get_ex_data(connection, note_slot())) return 0;
    try {
        const int code = X509_STORE_CTX_get_error(chain);
        auto note = std::make_unique<noted_failure>();
        note->what = certificate ? describe_fault(code, *certificate)
                                 : verify_failure{code, "certificate", X509_verify_cert_error_string(code)};
        if (SSL_set_ex_data(connection, note_slot(), note.get()) == 1) static_cast<void>(note.release());
    }
    catch (...) { // out of memory: the fault stands, its words are lost; nothing may unwind through OpenSSL
    }
    return 0;
}

void need(bool worked, const char* step)
{
    if (!worked) throw openssl_failure(step);
}

/// Adds each certificate of a PEM file.
void read_roots(std::vector<x509_ptr>& into, const std::string& path)
{
    const auto fault = [&](const std::string& what) { return std::runtime_error("tls.extra_roots: " + path + ": " + what); };
    errno = 0;
    const bio_ptr file(BIO_new_file(path.c_str(), "r"));
    if (!file) {
        const int why = errno;
        ERR_clear_error();
        throw fault(why != 0 ? std::strerror(why) : "cannot be opened");
    }
    int count = 0;
    for (;; ++count) {
        x509_ptr root(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
        if (!root) break;
        into.push_back(std::move(root));
    }
    const auto last = ERR_peek_last_error();
    const bool end_of_file = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    const auto why = take_openssl_error();
    if (!end_of_file) throw fault("certificate " + std::to_string(count + 1) + " does not parse: " + why.message());
    if (count == 0) throw fault("holds no PEM certificate");
}

int protocol_version(const std::string& text)
{
    if (text == "1.2") return TLS1_2_VERSION;
    if (text == "1.3") return TLS1_3_VERSION;
    throw std::runtime_error("tls.min_version: \"" + printable(text) + "\" is neither \"1.2\" nor \"1.3\"");
}

verify_failure describe_alert(int number)
{
    verify_failure out;
    out.check = number == SSL_AD_PROTOCOL_VERSION ? "tls_version" : "alert";
    out.detail = std::string("upstream refused the handshake: alert ") + SSL_alert_desc_string_long(number);
    if (number == SSL_AD_PROTOCOL_VERSION) out.detail = "upstream speaks no TLS version that tls.min_version allows";
    return out;
}

/// The name a session of this connection is kept under.
using peer_name = std::string;

void free_peer_name(void*, void* name, CRYPTO_EX_DATA*, int, long, void*)
{
    delete static_cast<peer_name*>(name);
}

int peer_name_slot()
{
    static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_peer_name);
    return slot;
}

void free_session_cache(void*, void* cache, CRYPTO_EX_DATA*, int, long, void*)
{
    delete static_cast<session_cache*>(cache);
}

int session_cache_slot()
{
    static const int slot = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_session_cache);
    return slot;
}

/// Called by OpenSSL when a session can be resumed, over TLS 1.3 after the handshake. A copy is kept: the connection marks its
/// own as spent if it ends without close_notify. 0: we took no reference.
int keep_session(SSL* connection, SSL_SESSION* session)
{
    auto* cache = static_cast<session_cache*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), session_cache_slot()));
    const auto* name = static_cast<const peer_name*>(SSL_get_ex_data(connection, peer_name_slot()));
    if (!cache || !name || SSL_get_verify_result(connection) != X509_V_OK) return 0;
    try {
        cache->put(*name, ssl_session_ptr(SSL_SESSION_dup(session)));
    }
    catch (...) { // out of memory: no session, and nothing may unwind through OpenSSL
    }
    return 0;
}

} // namespace

upstream_context::upstream_context(const settings& options) : context_(SSL_CTX_new(TLS_client_method()))
{
    need(context_ != nullptr, "making the upstream TLS context");
    auto* made = context_.get();
    need(SSL_CTX_set_min_proto_version(made, protocol_version(options.min_version)) == 1, "tls.min_version");
    for (const auto& path : options.extra_roots) read_roots(extra_roots_, path);
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, note_fault);
    // A root may be an intermediate that somebody named on purpose (curl does the same).
    auto* parameters = SSL_CTX_get0_param(made);
    need(X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN) == 1, "verification flags");
    need(X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER) == 1, "verification purpose");
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    const std::size_t capacity = options.session_lifetime.count() > 0 ? options.session_cache : 0;
    auto sessions = std::make_unique<session_cache>(capacity, options.session_lifetime);
    need(SSL_CTX_set_ex_data(made, session_cache_slot(), sessions.get()) == 1, "session cache");
    sessions_ = sessions.release();
    SSL_CTX_sess_set_new_cb(made, keep_session);
    set_stream_modes(*made);
}

void upstream_context::take_roots() const
{
    const auto roots = extra_roots_.empty() ? system_roots() : std::shared_ptr<X509_STORE>(copy_of_system_roots());
    for (const auto& each : extra_roots_) need(X509_STORE_add_cert(roots.get(), each.get()) == 1, "adding a root");
    SSL_CTX_set1_cert_store(context_.get(), roots.get());
}

result<ssl_ptr> upstream_context::connection(std::string_view host, std::uint16_t port, alpn_offer offer) const
{
    const std::string name(host);
    if (name.empty() || name.find('\0') != std::string::npos || name.back() == '.') return errc::malformed;
    std::call_once(roots_taken_, [this] { take_roots(); });
    ssl_ptr made(SSL_new(context_.get()));
    if (!made) return take_openssl_error();
    SSL_set_connect_state(made.get());
    if (const auto failed = offer_protocols(*made, offer)) return failed;
    if (const auto address = ip_address::parse(name)) {
        const auto bytes = address->bytes();
        if (X509_VERIFY_PARAM_set1_ip(SSL_get0_param(made.get()), bytes.data(), bytes.size()) != 1) return take_openssl_error();
    }
    else {
        if (name.size() > 253 || SSL_set1_host(made.get(), name.c_str()) != 1) return errc::malformed;
        // SSL_set_tlsext_host_name(3) without its C cast; the text is copied.
        auto* sni = const_cast<char*>(name.c_str());
        if (SSL_ctrl(made.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, sni) != 1) return errc::malformed;
    }
    auto peer = std::make_unique<peer_name>(name + ':' + std::to_string(port));
    if (const auto known = sessions_->take(*peer)) SSL_set_session(made.get(), known.get());
    if (SSL_set_ex_data(made.get(), peer_name_slot(), peer.get()) == 1) static_cast<void>(peer.release());
    return made;
}

verify_failure explain_failure(const SSL& connection, const error_code& failure)
{
    if (const auto* note = static_cast<const noted_failure*>(SSL_get_ex_data(&connection, note_slot()))) return note->what;
    verify_failure out;
    if (int number = 0; is_received_alert(failure, &number)) return describe_alert(number);
    if (failure.category() != openssl_category()) {
        out.check = "closed";
        out.detail = "upstream ended the connection during the handshake: " + failure.message();
        return out;
    }
    out.check = "tls";
    out.detail = "the TLS handshake failed: " + failure.message();
    switch (ERR_GET_REASON(static_cast<unsigned>(failure.value()))) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
        out.check = "tls_version";
        out.detail = "upstream chose a TLS version older than tls.min_version";
        break;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        out.check = "not_tls";
        out.detail = "upstream does not speak TLS on this port";
        break;
    default: break;
    }
    return out;
}

} // namespace cofferdam::tls
