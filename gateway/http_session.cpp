#include "gateway/http_session.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/evidence.hpp"
#include "http/error_page.hpp"

namespace cofferdam::gateway {
namespace {

constexpr std::chrono::milliseconds linger{1500}; // for the last answer to arrive before the reset

bool may_repeat(const exchange& e) noexcept
{
    return e.head.body == http::body_kind::none && http::is_idempotent(e.head.method);
}

} // namespace

http_session::http_session(std::shared_ptr<flow> owner, std::unique_ptr<tls::stream> downstream, upstream_link link, bool secure)
    : owner_(std::move(owner)), downstream_(std::move(downstream)), offer_(link.offer), secure_(secure)
{
    if (link.stream) take_upstream(std::move(link), owner_->facts().host, owner_->facts().destination.port);
}

void http_session::fail_with(reason why, std::string detail)
{
    failure_.emplace();
    failure_->why = why;
    failure_->detail = std::move(detail);
}

asio::awaitable<void> http_session::run()
{
    const flow::watch watch(*owner_, *downstream_);
    for (;;) {
        const bool comes = co_await await_request();
        if (!comes) break;
        const auto e = std::make_unique<exchange>(*owner_, scheme());
        const next what = co_await serve_one(*e);
        if (what == next::close) break;
    }
    leave_upstream();
    const auto action = refused_only_ ? audit::verdict_label::deny : audit::verdict_label::allow;
    if (served_ > 0)
        owner_->job().metrics().connection(secure_ ? audit::connection_kind::tls : audit::connection_kind::http, action);
    if (served_ == 0)
        close_unused(*owner_, secure_ ? "tls" : "tcp", owner_->expired() ? reason::client_timed_out : reason::client_closed);
    if (downstream_broken_ || !downstream_->is_open()) co_return;
    owner_->arm(linger + linger);
    co_await downstream_->async_shutdown(linger);
}

// Until the first byte of a request is there. False: there is no further one.
asio::awaitable<bool> http_session::await_request()
{
    if (!in_.empty()) co_return true;
    owner_->arm(limits().idle_timeout);
    pausing_ = true;
    hold_.arm(limits().upstream_hold);
    const auto got = co_await downstream_->async_read(in_, tls::expect::silence);
    pausing_ = false;
    hold_.disarm();
    if (got.error) downstream_broken_ = owner_->expired();
    co_return !got.error;
}

asio::awaitable<http_session::next> http_session::serve_one(exchange& e)
{
    const head_status status = co_await read_request_head(e);
    ++served_;
    if (!e.reserve()) {
        exchange::answer full{503, gateway_decision(reason::audit_failed, policy::stage::request), "no record can be kept"};
        const next after = co_await refuse(e, std::move(full));
        co_return after;
    }
    if (status == head_status::unfinished) co_return record_unfinished(e);
    if (status == head_status::faulty) {
        const next after = co_await refuse_malformed(e);
        co_return after;
    }
    auto refused = e.judge();
    if (refused) {
        const next after = co_await refuse(e, std::move(*refused));
        co_return after;
    }
    refused_only_ = false;
    const next after = co_await forward(e);
    co_return after;
}

// Reads until the head of a request, of which something is there, is whole.
asio::awaitable<http_session::head_status> http_session::read_request_head(exchange& e)
{
    http::head_scanner scanner(http::message_kind::request);
    owner_->arm(limits().head_timeout);
    for (;;) {
        const auto end = scanner.find_end(in_.text(), limits());
        if (end) {
            e.head_bytes.assign(in_.text().substr(0, *end));
            in_.consume(*end);
            const auto parsed = http::parse_request_head(e.head_bytes, limits(), e.head);
            e.note_request(e.head_bytes.size());
            co_return parsed ? head_status::complete : head_status::faulty;
        }
        if (end.error() != errc::need_more) {
            e.head_bytes = in_.text();
            e.head.why = scanner.why();
            const auto ignored = http::parse_request_head(e.head_bytes, limits(), e.head);
            (void)ignored;
            co_return head_status::faulty;
        }
        const auto got = co_await downstream_->async_read(in_);
        if (got.error) {
            downstream_broken_ = owner_->expired();
            co_return head_status::unfinished;
        }
    }
}

// The client went away, or took too long, inside a head.
http_session::next http_session::record_unfinished(exchange& e)
{
    const reason why = owner_->expired() ? reason::client_timed_out : reason::client_closed;
    e.note_malformed({408, gateway_decision(why, policy::stage::request), "the request head was not complete"});
    e.finish(why, "the request head was not complete");
    downstream_broken_ = true;
    return next::close;
}

asio::awaitable<http_session::next> http_session::refuse_malformed(exchange& e)
{
    const auto* fault = e.head.why;
    const auto code = fault ? fault->code : errc::malformed;
    reason why = reason::malformed_request;
    if (code == errc::ambiguous) why = reason::ambiguous_request;
    if (code == errc::too_large) why = reason::too_large;
    exchange::answer answer{fault ? fault->status : 400U, gateway_decision(why, policy::stage::request),
                            fault ? std::string(fault->what) : ""};
    e.note_malformed(answer);
    const next after = co_await refuse(e, std::move(answer));
    (void)after;
    co_return next::close; // what follows a message that can't be delimited is not a request
}

// Answers in the origin's place. The connection goes on only if no body is under way.
asio::awaitable<http_session::next> http_session::refuse(exchange& e, exchange::answer answer)
{
    e.verdict = answer.verdict;
    const bool keep = e.head.keep_alive && e.head.body == http::body_kind::none && answer.status == 403;
    http::refusal_options options;
    options.accept = http::value_of(e.head.fields, "accept");
    options.head_only = e.head.method == "HEAD";
    options.close = !keep;
    options.keep_alive_1_0 = keep && e.head.minor == 0;
    std::string bytes;
    http::write_refusal(bytes, e.page_of(answer), options);
    e.answered_by_gateway(answer.status);
    e.capture_request_body(e.head.body == http::body_kind::none ? std::string_view() : in_.text());
    // The record is written before the client knows: who sees the refusal finds it in the log.
    e.finish(answer.verdict.why, answer.detail);
    owner_->arm(limits().body_timeout);
    const auto written = co_await downstream_->async_write(as_bytes(bytes));
    if (written.error) downstream_broken_ = true;
    co_return keep && !written.error ? next::keep : next::close;
}

// A connection that served others may be ending just now. A request that could not be sent again does not go over it.
asio::awaitable<bool> http_session::ready_upstream(exchange& e, bool fresh, reason& why, std::string& detail)
{
    const bool same = link_host_ == e.host && link_port_ == e.port && link_.rules == owner_->job().rules();
    const bool safe = !fresh && may_repeat(e);
    const bool fit = same && up_in_.empty() && link_.stream && (safe || !link_.reused);
    if (fit && link_.stream->is_quiet()) co_return true;
    leave_upstream();
    owner_->disarm();
    upstream_link made;
    constexpr auto own_offer = tls::alpn_offer::http1;
    if (safe) made = take_idle_upstream(*owner_, e.host, e.port, secure_, offer_);
    if (safe && !made.stream && offer_ != own_offer) made = take_idle_upstream(*owner_, e.host, e.port, secure_, own_offer);
    if (!made.stream) made = co_await connect_upstream(*owner_, e.host, e.port, secure_, own_offer);
    why = made.why;
    detail = made.detail;
    if (!made.stream) co_return false;
    take_upstream(std::move(made), e.host, e.port);
    owner_->facts().upstream = link_.peer.to_string();
    co_return true;
}

void http_session::take_upstream(upstream_link link, std::string host, std::uint16_t port)
{
    link_ = std::move(link);
    link_host_ = std::move(host);
    link_port_ = port;
    upstream_watch_.emplace(*owner_, *link_.stream);
    upstream_purpose what{owner_->job().id(), link_host_, port, secure_, link_.offer};
    upstream_lender& self = *this;
    lending_.emplace(owner_->home().idle_upstreams(), std::move(what), self);
}

void http_session::drop_upstream()
{
    lending_.reset();
    upstream_watch_.reset();
    link_ = upstream_link{};
    up_in_.clear();
}

void http_session::leave_upstream()
{
    if (up_in_.empty()) release_upstream(*owner_, link_host_, link_port_, secure_, std::move(link_));
    drop_upstream();
}

// While nothing of a request is here, and nothing is owed: the connection is anybody's who has the same purpose.
upstream_link http_session::give_up() noexcept
{
    if (!pausing_ || !link_.stream || link_.http2 || link_.bound || !link_.idle || !up_in_.empty()) return {};
    upstream_link out = std::move(link_);
    drop_upstream();
    return out;
}

void http_session::stop_holding() noexcept
{
    try {
        release_upstream(*owner_, link_host_, link_port_, secure_, give_up());
    }
    catch (const std::bad_alloc&) { // it is closed instead
    }
}

asio::awaitable<http_session::next> http_session::forward(exchange& e)
{
    for (unsigned attempt = 0;; ++attempt) {
        const bool had_link = link_.stream != nullptr && served_ > 1;
        reason why = reason::completed;
        std::string detail;
        bool ready = false;
        if (failure_) {
            why = failure_->why;
            detail = failure_->detail;
        }
        else {
            ready = co_await ready_upstream(e, attempt > 0, why, detail);
        }
        if (!ready) {
            const next after = co_await answer_failure(e, why, std::move(detail));
            co_return after;
        }
        bool retry = false;
        const bool reused = (had_link || link_.reused) && attempt == 0 && may_repeat(e);
        const next after = co_await exchange_with_upstream(e, reused, retry);
        if (!retry) co_return after;
        drop_upstream();
    }
}

asio::awaitable<http_session::next> http_session::answer_failure(exchange& e, reason why, std::string detail)
{
    // The policy allowed it and the gateway could not or, where verification failed, would not: the record says which.
    policy::decision verdict = e.verdict;
    const bool refused = is_dial_refusal(why);
    if (refused)
        verdict = gateway_decision(why, policy::stage::connection);
    else
        verdict.why = why;
    exchange::answer answer{http::status_for(why), std::move(verdict), std::move(detail)};
    const next after = co_await refuse(e, std::move(answer));
    co_return after;
}

} // namespace cofferdam::gateway
