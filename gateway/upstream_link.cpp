#include "gateway/upstream_link.hpp"

#include "gateway/dial.hpp"
#include "gateway/flow.hpp"
#include "tls/openssl_error.hpp"
#include "tls/upstream.hpp"

#include <boost/asio/use_awaitable.hpp>

namespace cofferdam::gateway {
namespace {

bool is_certificate_check(const tls::verify_failure& failure)
{
    return failure.x509_error != 0;
}

asio::awaitable<void> open_tls(flow& owner, std::string host, std::uint16_t port, tcp::socket socket, upstream_link& out)
{
    auto connection = owner.job().upstream_tls().connection(host, port);
    if (!connection) {
        out.why = reason::upstream_tls_failed;
        out.detail = "no TLS for " + host + ": " + connection.error().message();
        co_return;
    }
    const auto began = std::chrono::steady_clock::now();
    auto stream = std::make_unique<tls::tls_stream>(std::move(socket), std::move(*connection));
    const flow::watch watch(owner, *stream);
    owner.arm_upstream(owner.job().settings().tls.handshake_timeout, *stream);
    const error_code ec = co_await stream->async_handshake();
    owner.disarm();
    if (ec) {
        if (owner.upstream_expired()) {
            out.why = reason::upstream_timed_out;
            out.detail = "no TLS handshake within tls.handshake_timeout";
            co_return;
        }
        const auto failure = tls::explain_failure(stream->native(), ec);
        out.why = is_certificate_check(failure) ? reason::upstream_verify_failed : reason::upstream_tls_failed;
        out.detail = failure.check + ": " + failure.detail;
        co_return;
    }
    owner.job().metrics().upstream_handshake(std::chrono::steady_clock::now() - began);
    out.stream = std::move(stream);
}

} // namespace

asio::awaitable<upstream_link> connect_upstream(flow& owner, std::string host, std::uint16_t port, bool secure)
{
    upstream_link out;
    dialled connected = co_await dial(owner.home(), host, port);
    out.why = connected.why;
    out.detail = std::move(connected.detail);
    out.peer = connected.peer;
    if (connected.why != reason::completed) co_return out;
    if (secure)
        co_await open_tls(owner, host, port, std::move(connected.socket), out);
    else
        out.stream = std::make_unique<tls::plain_stream>(std::move(connected.socket));
    co_return out;
}

} // namespace cofferdam::gateway
