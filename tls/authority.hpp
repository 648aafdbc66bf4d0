#pragma once

#include "core/result.hpp"
#include "tls/openssl.hpp"
#include "tls/settings.hpp"

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cofferdam::tls {

/// Who a leaf pretends to be.
enum class leaf_kind : std::uint8_t {
    origin,  ///< the origin was dialled and its own certificate verified
    refusal, ///< the gateway itself answers: the subject says so to a person who looks
};

/// A minted certificate; shared between the cache and the connections that present it.
using leaf = std::shared_ptr<X509>;

/// The certificate authority of one job. P-256; both private keys (its own, and the one that all its leaves share) exist
/// in this process's memory only, no member gives them out, and they are wiped with the object. Immutable once made:
/// every member may be called from any thread.
class authority {
public:
    using time_point = std::chrono::system_clock::time_point;

    /// Makes keys and a self-signed certificate "Cofferdam job CA <job>" (CA, path length 0, valid from five minutes
    /// before `now` for settings.ca_lifetime). Keys and serial numbers are drawn from OpenSSL's generator. Throws
    /// std::runtime_error if OpenSSL fails: a job without a CA does not start.
    authority(std::string_view job, const settings& options, time_point now);

    const std::string& pem() const noexcept { return pem_; }
    const std::vector<std::uint8_t>& der() const noexcept { return der_; }
    time_point not_after() const noexcept { return not_after_; }

    /// Signs a leaf whose only subject alternative name is `host`: a canonical name (lower-case letters, digits, '-',
    /// '_', no trailing dot, no wildcard) or the text of an IP address. Valid as long as the CA.
    /// Errors: `malformed` for any other host, `unsupported` if OpenSSL fails.
    result<leaf> mint(std::string_view host, leaf_kind kind) const;

    /// Gives `connection` (downstream, before its handshake) the leaf and its key. The connection sends the leaf alone:
    /// the client has the CA. A session is resumed only where it was made under the same leaf.
    error_code present(SSL& connection, const leaf& certificate) const;

private:
    key_ptr ca_key_;
    key_ptr leaf_key_;
    x509_ptr certificate_;
    std::string pem_;
    std::vector<std::uint8_t> der_;
    time_point not_after_;
};

/// Leaves already minted, least recently used thrown away first. Any thread.
class leaf_cache {
public:
    struct lookup {
        leaf certificate;
        bool hit = false; ///< for cofferdam_leaf_certificates_total{cache}
    };

    /// Keeps at most `capacity` (at least 1) leaves of `issuer`, which must outlive the cache.
    leaf_cache(const authority& issuer, std::size_t capacity);

    /// Errors: those of authority::mint.
    result<lookup> get(std::string_view host, leaf_kind kind);
    std::size_t size() const;

private:
    struct entry {
        std::string key;
        leaf certificate;
    };

    const authority& issuer_;
    const std::size_t capacity_;
    mutable std::mutex mutex_;
    std::list<entry> recent_; ///< most recently used first; `index_` views its keys
    std::unordered_map<std::string_view, std::list<entry>::iterator> index_;
};

/// The context that all downstream connections of a job share: TLS 1.2 and 1.3, no renegotiation, compression or early data.
/// Sessions are resumed by tickets alone, for settings.session_lifetime; their key is this context's, so none crosses to
/// another job. What a connection may do is judged by its own server name, resumed or not. ALPN: http/1.1; a client that
/// offers others only gets the no_application_protocol alert (RFC 7301 3.2). Throws std::runtime_error.
ssl_ctx_ptr make_server_context(const settings& options);

} // namespace cofferdam::tls
