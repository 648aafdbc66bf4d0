// One HTTP/1.1 connection over TLS 1.3 that asks for one path again and again, non-blocking.
#pragma once

#include <chrono>
#include <memory>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <string>
#include <string_view>

namespace bench {

using clock = std::chrono::steady_clock;

struct ssl_deleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using context_ptr = std::unique_ptr<SSL_CTX, ssl_deleter>;
using ssl_ptr = std::unique_ptr<SSL, ssl_deleter>;
using session_ptr = std::unique_ptr<SSL_SESSION, ssl_deleter>;

/// What is asked, and where.
struct target {
    sockaddr_in address{};
    std::string host; // server name, and the name that the certificate must have
    std::string path;
    std::string status = "200"; // that the answer must have
};

/// A client's context: TLS 1.3, AES-128-GCM, P-256, certificates verified against `roots` (a PEM file). Throws
/// std::runtime_error.
context_ptr client_context(const std::string& roots);

/// Opens itself, asks, reads the answer; then another request may be asked. Not copyable: OpenSSL points into it.
class connection {
public:
    enum class status { pending, answered, failed };

    /// Begins to connect. `resume` may be null; it is not kept.
    connection(SSL_CTX* context, const target& wanted, SSL_SESSION* resume = nullptr);
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    /// Goes as far as the socket allows; to be called after each edge of the socket.
    status step();
    /// The next request on a connection that has answered; `since` is what its latency counts from.
    void ask(clock::time_point since);
    /// Says goodbye and closes.
    void close();

    int descriptor() const { return fd_; }
    double seconds() const { return std::chrono::duration<double>(clock::now() - since_).count(); } // since the request began
    bool resumed() const { return SSL_session_reused(ssl_.get()) != 0; }
    session_ptr session() const { return session_ptr(SSL_get1_session(ssl_.get())); }
    const std::string& error() const { return error_; }

private:
    status fail(std::string_view what);
    status send();
    status receive();
    bool take(std::string_view bytes); // false: no answer that was wanted

    int fd_ = -1;
    ssl_ptr ssl_;
    std::string request_, expected_, head_, error_;
    enum class stage { opening, sending, reading_head, reading_body, idle } stage_ = stage::opening;
    std::size_t body_left_ = 0;
    clock::time_point since_;
};

} // namespace bench
