#pragma once

#include "gateway/exchange.hpp"
#include "gateway/flow.hpp"
#include "gateway/upstream_link.hpp"
#include "gateway/upstream_pool.hpp"
#include "http/forward.hpp"
#include "tls/io/stream.hpp"

#include <memory>
#include <optional>
#include <string>

namespace cofferdam::gateway {

/// The HTTP/1.1 requests of one downstream connection, one after the other: read a head, judge it, send exactly what was
/// judged, pass the answer back. Bodies stream both ways at once; nothing is held but one block a direction.
class http_session final : private upstream_lender {
public:
    /// `link` is the upstream connection that TLS was already verified on; without a stream the session finds one for each
    /// host that is asked for (over TLS there is but one).
    http_session(std::shared_ptr<flow> owner, std::unique_ptr<tls::stream> downstream, upstream_link link, bool secure);

    /// From now on a request that the policy allows is answered with this failure: the upstream can't be had.
    void fail_with(reason why, std::string detail);

    asio::awaitable<void> run();

private:
    /// A client that pauses holds an upstream connection no longer than http.upstream_hold.
    class upstream_hold final : public expirable {
    public:
        explicit upstream_hold(http_session& session) : session_(session), registration_(session.owner_->home(), *this) {}
        void expire() noexcept override { session_.stop_holding(); }

    private:
        http_session& session_;
        worker::registration registration_;
    };

    enum class next { keep, close };
    enum class head_status { complete, faulty, unfinished };
    struct body_pump;
    struct pump_guard;

    asio::awaitable<bool> await_request();
    asio::awaitable<next> serve_one(exchange& e);
    asio::awaitable<head_status> read_request_head(exchange& e);
    asio::awaitable<next> refuse(exchange& e, exchange::answer answer);
    asio::awaitable<next> refuse_malformed(exchange& e);
    next record_unfinished(exchange& e);
    asio::awaitable<next> forward(exchange& e);
    asio::awaitable<next> answer_failure(exchange& e, reason why, std::string detail);
    asio::awaitable<bool> ready_upstream(exchange& e, bool fresh, reason& why, std::string& detail);
    void take_upstream(upstream_link link, std::string host, std::uint16_t port);
    void drop_upstream();
    void leave_upstream();
    upstream_link give_up() noexcept override;
    void stop_holding() noexcept;
    asio::awaitable<next> exchange_with_upstream(exchange& e, bool reused, bool& retry);
    asio::awaitable<next> pass_response(exchange& e, body_pump& pump, bool reused, bool& retry);
    asio::awaitable<bool> pass_interim(exchange& e, const http::response_head& head);
    asio::awaitable<reason> read_response_head(exchange& e, http::response_head& out, bool& any_byte);
    asio::awaitable<reason> pass_response_body(exchange& e, const http::response_head& head, http::forward_response& out);
    asio::awaitable<next> pass_upgrade(exchange& e, const http::response_head& head);
    asio::awaitable<void> pump_request_body(exchange& e, std::shared_ptr<body_pump> pump);
    asio::awaitable<next> finish_response(exchange& e, body_pump& pump, reason why, bool keep);
    asio::awaitable<next> finish_without_response(exchange& e, body_pump& pump, reason why, const http::fault* fault);
    asio::awaitable<next> refuse_answered(exchange& e, body_pump& pump, exchange::answer answer);
    asio::awaitable<void> settle(body_pump& pump, bool close_downstream);

    std::string scheme() const { return secure_ ? "https" : "http"; }
    const http::limits& limits() const { return owner_->job().settings().http; }

    std::shared_ptr<flow> owner_;
    std::unique_ptr<tls::stream> downstream_;
    upstream_link link_;
    std::optional<flow::watch> upstream_watch_;
    std::optional<upstream_pool::registration> lending_;
    tls::alpn_offer offer_; // of connections that others left and that this one may use
    std::string link_host_; // what link_ was made for
    std::uint16_t link_port_ = 0;
    bool secure_;
    std::optional<upstream_link> failure_;
    read_buffer in_;             // from downstream
    read_buffer up_in_;          // from upstream
    std::string response_bytes_; // owns what the current response head views
    std::string out_, up_out_;   // heads and small bodies on their way down and up
    upstream_hold hold_{*this};  // armed while the first byte of a request is waited for
    bool pausing_ = false;       // just then
    std::size_t served_ = 0;
    bool downstream_broken_ = false;
    bool refused_only_ = true; // no request of this connection was allowed
};

} // namespace cofferdam::gateway
