#include "loads.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace bench {
namespace {

/// Reads a head up to its empty line; what follows stays in `rest`. False at the end of the connection.
bool read_head(SSL* ssl, std::string& head, std::size_t& rest)
{
    std::array<char, 16384> buffer;
    head.clear();
    while (head.size() < 65536) {
        const int got = SSL_read(ssl, buffer.data(), buffer.size());
        if (got <= 0) return false;
        head.append(buffer.data(), got);
        if (const auto end = head.find("\r\n\r\n"); end != std::string::npos) {
            rest = head.size() - end - 4;
            head.resize(end + 2);
            return true;
        }
    }
    return false;
}

std::optional<std::size_t> body_length(std::string_view head)
{
    for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
        const auto at = head.find(name);
        std::size_t value = 0;
        if (at != head.npos &&
            std::from_chars(head.data() + at + name.size(), head.data() + head.size(), value).ec == std::errc())
            return value;
    }
    return std::nullopt;
}

void answer_uploads(SSL* ssl)
{
    static constexpr std::string_view good = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    static constexpr std::string_view bad = "HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    std::string head;
    std::size_t rest = 0;
    std::array<char, 65536> buffer;
    while (read_head(ssl, head, rest)) {
        const auto length = body_length(head);
        for (std::size_t left = length.value_or(rest) - rest; left > 0;) {
            const int got = SSL_read(ssl, buffer.data(), static_cast<int>(std::min(left, buffer.size())));
            if (got <= 0) return;
            left -= got;
        }
        const std::string_view answer = length ? good : bad;
        if (SSL_write(ssl, answer.data(), static_cast<int>(answer.size())) <= 0 || !length) return;
    }
}

void serve_one(SSL_CTX* context, int fd)
{
    const ssl_ptr ssl(SSL_new(context));
    SSL_set_fd(ssl.get(), fd);
    if (SSL_accept(ssl.get()) == 1) {
        answer_uploads(ssl.get());
        SSL_shutdown(ssl.get());
    }
    ::close(fd);
}

void accept_at(SSL_CTX* context, const std::string& address, int port)
{
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on); // nginx listens on all addresses; the nearer one gets it
    sockaddr_in here{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
    inet_pton(AF_INET, address.c_str(), &here.sin_addr);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 || listen(listener, 1024) != 0) {
        std::perror("sink");
        std::exit(1);
    }
    while (true) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) std::thread(serve_one, context, fd).detach();
    }
}

} // namespace

int run_sink(const std::string& certificate, int port, const std::vector<std::string>& addresses)
{
    const context_ptr context(SSL_CTX_new(TLS_server_method()));
    if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context.get(), certificate.c_str(), SSL_FILETYPE_PEM) != 1) {
        std::fprintf(stderr, "no certificate in %s\n", certificate.c_str());
        return 1;
    }
    SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256");
    std::vector<std::jthread> acceptors;
    for (const std::string& address : addresses) acceptors.emplace_back(accept_at, context.get(), address, port);
    return 0;
}

} // namespace bench
