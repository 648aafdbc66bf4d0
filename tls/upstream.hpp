#pragma once

#include "core/result.hpp"
#include "tls/alpn.hpp"
#include "tls/openssl.hpp"
#include "tls/session_cache.hpp"
#include "tls/settings.hpp"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::tls {

/// Why an upstream may not be spoken to.
struct verify_failure {
    int x509_error = 0; ///< X509_V_ERR_*; 0 if no certificate was at fault
    /// One word: expired, not_yet_valid, host_name, self_signed, untrusted_issuer, purpose, revoked, weak_key, signature,
    /// certificate (another fault of it), tls_version, not_tls, alert, closed, tls (another fault of the handshake).
    std::string check;
    std::string detail; ///< a sentence for a person, one printable line whatever the peer sent
};

/// The context of all connections of a job to origins, shared by its threads: the system's roots (SSL_CERT_FILE and
/// SSL_CERT_DIR are honoured) and settings.extra_roots, verification always on. Sessions are resumed with the
/// name and port they were verified for and no other; never with early data.
class upstream_context {
public:
    /// Reads settings.extra_roots; the system's roots are waited for by the first connection. Throws std::runtime_error that
    /// names the setting, the file and the fault.
    explicit upstream_context(const settings& options);

    /// A connection in client state that will accept nobody but `host` (a canonical name, or the text of an IP address,
    /// for which no SNI is sent), and resumes a session with that host and `port` if there is one. Names are matched against
    /// subjectAltName alone (RFC 9525 6.1), wildcards are whole labels. `offer` goes into ALPN. Errors: `malformed` if `host` is
    /// neither.
    result<ssl_ptr> connection(std::string_view host, std::uint16_t port, alpn_offer offer = alpn_offer::http1) const;

    const session_cache& sessions() const noexcept { return *sessions_; }

private:
    void take_roots() const;

    ssl_ctx_ptr context_;
    std::vector<x509_ptr> extra_roots_;
    mutable std::once_flag roots_taken_;
    session_cache* sessions_ = nullptr; ///< the context's own: connections may outlive this object
};

/// After a failed handshake on a connection made by upstream_context: what `failure`, as the stream reported it, means.
verify_failure explain_failure(const SSL& connection, const error_code& failure);

} // namespace cofferdam::tls
