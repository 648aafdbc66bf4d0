#include "connection.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace bench {
namespace {

std::string lower(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

/// The value of Content-Length in a head that ends with an empty line; npos if there is none.
std::size_t content_length(const std::string& head)
{
    const std::string fields = lower(head);
    const std::string_view name = "\r\ncontent-length:";
    const auto at = fields.find(name);
    if (at == std::string::npos) return std::string::npos;
    const auto begin = fields.find_first_not_of(' ', at + name.size());
    std::size_t value = 0;
    const auto [end, failed] = std::from_chars(fields.data() + begin, fields.data() + fields.size(), value);
    return failed == std::errc() && *end == '\r' ? value : std::string::npos;
}

} // namespace

context_ptr client_context(const std::string& roots)
{
    context_ptr made(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* context = made.get();
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set1_groups_list(context, "P-256");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_load_verify_file(context, roots.c_str()) != 1) throw std::runtime_error("no roots in " + roots);
    return made;
}

connection::connection(SSL_CTX* context, const target& wanted, SSL_SESSION* resume)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), ssl_(SSL_new(context)),
      request_("GET " + wanted.path + " HTTP/1.1\r\nHost: " + wanted.host + "\r\n\r\n"),
      expected_("HTTP/1.1 " + wanted.status + " "), since_(clock::now())
{
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&wanted.address), sizeof wanted.address) != 0 && errno != EINPROGRESS)
        error_ = std::strerror(errno);
    SSL_set_fd(ssl_.get(), fd_);
    SSL_set_tlsext_host_name(ssl_.get(), wanted.host.c_str());
    SSL_set1_host(ssl_.get(), wanted.host.c_str());
    if (resume) SSL_set_session(ssl_.get(), resume);
    SSL_set_connect_state(ssl_.get());
}

connection::~connection()
{
    if (fd_ >= 0) ::close(fd_);
}

void connection::close()
{
    SSL_shutdown(ssl_.get());
    ::close(std::exchange(fd_, -1));
}

void connection::ask(clock::time_point since)
{
    since_ = since;
    head_.clear();
    stage_ = stage::sending;
}

connection::status connection::fail(std::string_view what)
{
    const int cause = errno;
    const auto code = ERR_get_error();
    error_ = std::string(what) + ": " +
             (code    ? ERR_reason_error_string(code)
              : cause ? std::strerror(cause)
                      : "the connection ended");
    ERR_clear_error();
    return status::failed;
}

connection::status connection::step()
{
    if (!error_.empty()) return status::failed;
    ERR_clear_error();
    errno = 0;
    if (stage_ == stage::opening) {
        const int done = SSL_do_handshake(ssl_.get());
        if (done != 1) {
            const int why = SSL_get_error(ssl_.get(), done);
            if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE || errno == ENOTCONN) return status::pending;
            return fail("handshake");
        }
        stage_ = stage::sending;
    }
    if (stage_ == stage::sending) {
        const status sent = send();
        if (stage_ == stage::sending) return sent;
    }
    return receive();
}

connection::status connection::send()
{
    const int done = SSL_write(ssl_.get(), request_.data(), static_cast<int>(request_.size()));
    if (done > 0) {
        stage_ = stage::reading_head;
        return status::pending;
    }
    const int why = SSL_get_error(ssl_.get(), done);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? status::pending : fail("write");
}

connection::status connection::receive()
{
    thread_local std::array<char, 65536> buffer;
    while (true) {
        const int got = SSL_read(ssl_.get(), buffer.data(), buffer.size());
        if (got <= 0) {
            const int why = SSL_get_error(ssl_.get(), got);
            return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? status::pending : fail("read");
        }
        if (!take({buffer.data(), static_cast<std::size_t>(got)})) return status::failed;
        if (stage_ == stage::idle) return status::answered;
    }
}

bool connection::take(std::string_view bytes)
{
    if (stage_ == stage::reading_head) {
        head_ += bytes;
        const auto end = head_.find("\r\n\r\n");
        if (end == std::string::npos) return true;
        const std::string rest = head_.substr(end + 4);
        head_.resize(end + 2);
        body_left_ = content_length(head_);
        if (!head_.starts_with(expected_) || body_left_ == std::string::npos) {
            error_ = "unexpected answer: " + head_.substr(0, head_.find('\r'));
            return false;
        }
        stage_ = stage::reading_body;
        if (rest.size() > body_left_) error_ = "more than one answer";
        body_left_ -= std::min(rest.size(), body_left_);
    }
    else if (stage_ == stage::reading_body && bytes.size() <= body_left_)
        body_left_ -= bytes.size();
    else
        error_ = "bytes that were not asked for";
    if (body_left_ == 0) stage_ = stage::idle;
    return error_.empty();
}

} // namespace bench
