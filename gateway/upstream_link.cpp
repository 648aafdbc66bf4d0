#include "gateway/upstream_link.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/deadline.hpp"
#include "gateway/dial.hpp"
#include "gateway/flow.hpp"
#include "gateway/upstream_pool.hpp"
#include "gateway/verified_origins.hpp"
#include "tls/openssl_error.hpp"
#include "tls/upstream.hpp"

namespace cofferdam::gateway {
namespace {

bool is_certificate_check(const tls::verify_failure& failure)
{
    return failure.x509_error != 0;
}

asio::awaitable<void> open_tls(flow& owner, std::string host, std::uint16_t port, tcp::socket socket, tls::alpn_offer offer,
                               upstream_link& out)
{
    auto connection = owner.job().upstream_tls().connection(host, port, offer);
    if (!connection) {
        out.why = reason::upstream_tls_failed;
        out.detail = "no TLS for " + host + ": " + connection.error().message();
        co_return;
    }
    const auto began = std::chrono::steady_clock::now();
    auto stream = std::make_unique<tls::tls_stream>(std::move(socket), std::move(*connection));
    stream_deadline limit(owner.home(), *stream); // not the flow's: a session may open several connections at once
    limit.arm(owner.job().settings().tls.handshake_timeout);
    const error_code ec = co_await stream->async_handshake();
    if (ec) {
        if (limit.expired()) {
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
    out.http2 = tls::chose_http2(stream->native());
    out.stream = std::move(stream);
}

} // namespace

asio::awaitable<upstream_link> connect_upstream(flow& owner, std::string host, std::uint16_t port, bool secure,
                                                tls::alpn_offer offer)
{
    upstream_link out;
    out.offer = offer;
    out.rules = owner.job().rules();
    dialled connected = co_await dial(owner.home(), host, port);
    out.why = connected.why;
    out.detail = std::move(connected.detail);
    out.peer = connected.peer;
    if (connected.why != reason::completed) co_return out;
    if (secure)
        co_await open_tls(owner, host, port, std::move(connected.socket), offer, out);
    else
        out.stream = std::make_unique<tls::plain_stream>(std::move(connected.socket));
    if (out.why == reason::upstream_verify_failed) owner.home().origins().forget({owner.job().id(), host, port, secure, offer});
    out.made = std::chrono::steady_clock::now();
    if (out.stream) owner.job().metrics().upstream_connection(audit::upstream_source::dialled);
    co_return out;
}

upstream_link take_idle_upstream(flow& owner, const std::string& host, std::uint16_t port, bool secure, tls::alpn_offer offer)
{
    const auto rules = owner.job().rules();
    const upstream_purpose wanted{owner.job().id(), host, port, secure, offer};
    upstream_link kept = owner.home().idle_upstreams().take(wanted, *rules, std::chrono::steady_clock::now());
    if (kept.stream) owner.job().metrics().upstream_connection(audit::upstream_source::reused);
    kept.place.reset(); // the flow has one
    return kept;
}

void release_upstream(flow& owner, const std::string& host, std::uint16_t port, bool secure, upstream_link link)
{
    if (!link.stream || link.http2 || link.bound || !link.idle) return;
    link.place = owner.job().connections()->spare(1);
    if (!link.place) return;
    upstream_purpose what{owner.job().id(), host, port, secure, link.offer};
    owner.home().idle_upstreams().put(std::move(what), std::move(link), std::chrono::steady_clock::now());
}

} // namespace cofferdam::gateway
