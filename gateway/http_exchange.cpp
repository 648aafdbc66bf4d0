// The forwarding half of http_session: request body, response head and body, upgrade.
#include "core/io/coroutine.hpp"
#include "core/text.hpp"
#include "gateway/evidence.hpp"
#include "gateway/http_session.hpp"
#include "gateway/relay.hpp"
#include "gateway/spawn.hpp"
#include "http/connection_auth.hpp"
#include "http/error_page.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds settle_poll{20};
constexpr std::size_t flush_at = 65536; // re-framed chunks are gathered up to here before they are written
constexpr std::size_t direct_at = 4096; // what is not re-framed is written from where it was read, if it is this much
constexpr std::size_t kept_out = 16384; // memory that a connection keeps for what it writes

// For the next message: empty, and no larger than a connection may keep.
std::string& emptied(std::string& bytes)
{
    bytes.clear();
    if (bytes.capacity() > kept_out) bytes.shrink_to_fit();
    return bytes;
}

// HTTP/3 is not carried (QUIC is refused), so it is not offered either (RFC 7838).
void drop_alternatives(std::vector<http::field>& fields)
{
    std::erase_if(fields, [](const http::field& f) { return equals_ignoring_case(f.name, "alt-svc"); });
}

} // namespace

/// The request's body on its way upstream, beside the answer on its way back.
struct http_session::body_pump {
    explicit body_pump(asio::io_context& context, const http::request_head& head, const http::limits& bounds)
        : decoder(head.body, head.content_length, bounds), chunked(head.body == http::body_kind::chunked)
    {
        done = complete = head.body == http::body_kind::none;
        if (!done) finished.emplace(context, std::chrono::steady_clock::time_point::max());
    }
    std::optional<asio::steady_timer> finished; // cancelled when done; without a body there is nothing to wait for
    http::body_decoder decoder;
    bool chunked;
    bool done = false;
    bool complete = false;                   // all of the body was sent
    bool upstream_gone = false;              // the origin took no more; its answer may still be readable
    bool client_gone = false;                // the client broke off
    const http::fault* fault = nullptr;      // the client's framing is broken
    std::optional<exchange::answer> refused; // its trailers are not allowed
};

struct http_session::pump_guard {
    explicit pump_guard(body_pump& guarded) : pump(guarded) {}
    ~pump_guard()
    {
        pump.done = true;
        pump.finished->cancel();
    }
    pump_guard(const pump_guard&) = delete;
    pump_guard& operator=(const pump_guard&) = delete;
    body_pump& pump;
};

asio::awaitable<http_session::next> http_session::exchange_with_upstream(exchange& e, bool reused, bool& retry)
{
    http::forward_request out;
    const kept_list out_memory(out.fields);
    http::rebuild(e.head, out);
    const std::string target = e.target.to_string();
    out.target = target;
    out.host = e.host_field();
    auto& bytes = emptied(up_out_);
    http::write_request_head(bytes, out);
    e.note_sent();
    link_.idle = false;
    link_.bound |= http::binds_connection(e.head.fields);
    owner_->arm_upstream(limits().response_timeout, *link_.stream);
    const auto written = co_await link_.stream->async_write(as_bytes(bytes));
    if (written.error && reused) {
        retry = true;
        co_return next::close;
    }
    auto pump = std::make_shared<body_pump>(owner_->home().context(), e.head, limits());
    if (pump->done)
        in_.rest(); // nothing more is read from the client until the answer is there
    else
        spawn_counted(owner_->home().context(), owner_->job(), pump_request_body(e, pump));
    next after = next::close;
    std::exception_ptr failure;
    try {
        after = co_await pass_response(e, *pump, reused, retry);
    }
    catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        // The pump refers to what unwinding would destroy.
        link_.stream->close();
        co_await settle(*pump, true);
        std::rethrow_exception(failure);
    }
    up_in_.rest();
    co_return after;
}

// Runs beside pass_response, which waits for it before `e` or the session goes away.
asio::awaitable<void> http_session::pump_request_body(exchange& e, std::shared_ptr<body_pump> pump)
{
    const pump_guard guard(*pump); // whatever ends this coroutine, pass_response is not left waiting
    auto& out = emptied(up_out_);
    bool failed = false;
    while (!failed) {
        std::size_t used = 0;
        std::string_view direct;
        while (used < in_.size() && !pump->decoder.done() && out.size() < flush_at && direct.empty()) {
            const auto step = pump->decoder.next(in_.text().substr(used));
            if (!step) {
                pump->fault = pump->decoder.why();
                failed = true;
                break;
            }
            used += step->consumed;
            e.capture_request_body(step->data);
            if (pump->chunked)
                http::write_chunk(out, step->data);
            else if (step->data.size() >= direct_at)
                direct = step->data;
            else
                out += step->data;
        }
        e.note_request(used);
        const bool done = pump->decoder.done();
        if (!failed && done && !pump->decoder.trailers().empty()) {
            pump->refused = e.judge_trailers(pump->decoder.trailers());
            failed = pump->refused.has_value();
        }
        if (!failed && done && pump->chunked) http::write_last_chunk(out, pump->decoder.trailers());
        tls::transfer written;
        if (!failed && !out.empty()) {
            owner_->arm(limits().body_timeout);
            written = co_await link_.stream->async_write(as_bytes(out));
        }
        if (!failed && !direct.empty() && !written.error) {
            owner_->arm(limits().body_timeout);
            written = co_await link_.stream->async_write(as_bytes(direct));
        }
        out.clear();
        in_.consume(used);
        pump->upstream_gone = static_cast<bool>(written.error);
        if (written.error) break;
        if (done && !failed) {
            pump->complete = true;
            in_.rest();
            owner_->arm_upstream(limits().response_timeout, *link_.stream);
            break;
        }
        if (failed) break;
        if (!in_.empty()) continue;
        const auto got = co_await downstream_->async_read(in_);
        pump->client_gone = static_cast<bool>(got.error);
        if (got.error) break;
    }
    // A body that broke off: the origin must not take what it has for the whole.
    if (!pump->complete && !pump->upstream_gone && link_.stream) {
        reset_connection(link_.stream->socket());
        link_.stream->close();
    }
}

// Waits for the pump to end; one that still reads is made to. Upstream is closed already, so it can't be writing for long.
asio::awaitable<void> http_session::settle(body_pump& pump, bool close_downstream)
{
    if (!pump.done && close_downstream) downstream_->close();
    while (!pump.done) {
        // Asked again until heard: the pump may be between two waits.
        boost::system::error_code ignored;
        if (downstream_->is_open()) downstream_->socket().cancel(ignored);
        pump.finished->expires_after(settle_poll);
        co_await pump.finished->async_wait(use_tuple);
    }
}

asio::awaitable<reason> http_session::read_response_head(exchange& e, http::response_head& out, bool& any_byte)
{
    http::head_scanner scanner(http::message_kind::response);
    http::response_context context;
    context.request_method = e.head.method;
    context.upgrade_requested = e.head.websocket_upgrade;
    for (;;) {
        const auto end = scanner.find_end(up_in_.text(), limits());
        if (end) {
            response_bytes_.assign(up_in_.text().substr(0, *end));
            up_in_.consume(*end);
            const auto parsed = http::parse_response_head(response_bytes_, limits(), context, out);
            e.note_response(response_bytes_.size());
            co_return parsed ? reason::completed : reason::upstream_malformed;
        }
        if (end.error() != errc::need_more) {
            out.why = scanner.why();
            co_return reason::upstream_malformed;
        }
        const auto got = co_await link_.stream->async_read(up_in_, any_byte ? tls::expect::bytes : tls::expect::silence);
        if (got.error) co_return owner_->upstream_expired() ? reason::upstream_timed_out : reason::upstream_closed;
        any_byte = true;
    }
}

// False: the client takes no more.
asio::awaitable<bool> http_session::pass_interim(exchange& e, const http::response_head& head)
{
    http::forward_response out;
    http::rebuild(head, e.head.minor, true, out);
    std::string bytes;
    http::write_response_head(bytes, out);
    const auto written = co_await downstream_->async_write(as_bytes(bytes));
    co_return !written.error;
}

asio::awaitable<http_session::next> http_session::pass_response(exchange& e, body_pump& pump, bool reused, bool& retry)
{
    http::response_head head;
    const kept_list head_memory(head.fields);
    for (unsigned interim = 0;; ++interim) {
        bool any_byte = false;
        const reason got = co_await read_response_head(e, head, any_byte);
        if (got != reason::completed || interim > limits().max_interim_responses) {
            if (reused && !any_byte && interim == 0 && got == reason::upstream_closed) {
                retry = true;
                co_return next::close;
            }
            const next after =
                co_await finish_without_response(e, pump, got == reason::completed ? reason::upstream_malformed : got, head.why);
            co_return after;
        }
        if (!head.interim()) break;
        if (e.head.minor == 0) continue; // an HTTP/1.0 client must not get 1xx (RFC 9110, 15.2)
        const bool passed = co_await pass_interim(e, head);
        if (!passed) {
            const next after = co_await finish_response(e, pump, reason::client_closed, false);
            co_return after;
        }
    }
    e.answered_by_origin(head);
    link_.bound |= http::binds_connection(head.fields);
    if (head.status == 101) {
        const next after = co_await pass_upgrade(e, head);
        co_return after;
    }
    if (auto refused = e.judge_answer(head)) {
        const next after = co_await refuse_answered(e, pump, std::move(*refused));
        co_return after;
    }
    http::forward_response out;
    const kept_list out_memory(out.fields);
    const bool keep = e.head.keep_alive && pump.done && pump.complete;
    http::rebuild(head, e.head.minor, keep, out);
    drop_alternatives(out.fields);
    const reason ended = co_await pass_response_body(e, head, out);
    if (!head.keep_alive || ended != reason::completed) {
        // Not reusable; a pump that still writes to it ends with an error.
        if (link_.stream) link_.stream->close();
    }
    else if (pump.complete && up_in_.empty()) {
        link_.idle = true;
        link_.reused = false; // it lives
    }
    const next after = co_await finish_response(e, pump, ended, keep && !out.close);
    co_return after;
}

asio::awaitable<reason> http_session::pass_response_body(exchange& e, const http::response_head& head,
                                                         http::forward_response& out)
{
    auto& bytes = emptied(out_);
    http::write_response_head(bytes, out);
    http::body_decoder decoder(head.body, head.content_length, limits());
    const bool chunked = out.body == http::body_kind::chunked;
    bool done = decoder.done() || head.body == http::body_kind::none;
    reason ended = reason::completed;
    for (;;) {
        std::size_t used = 0;
        std::string_view direct;
        while (!done && used < up_in_.size() && bytes.size() < flush_at && direct.empty()) {
            const auto step = decoder.next(up_in_.text().substr(used));
            if (!step) {
                ended = reason::upstream_malformed;
                break;
            }
            used += step->consumed;
            e.capture_response_body(step->data);
            if (chunked)
                http::write_chunk(bytes, step->data);
            else if (step->data.size() >= direct_at && bytes.empty())
                direct = step->data;
            else
                bytes += step->data;
            done = step->done;
        }
        e.note_response(used);
        if (done && chunked) http::write_last_chunk(bytes, decoder.trailers());
        const auto ready = direct.empty() ? std::string_view(bytes) : direct;
        if (!ready.empty()) {
            owner_->arm(limits().body_timeout);
            const auto written = co_await downstream_->async_write(as_bytes(ready));
            bytes.clear();
            if (written.error) {
                downstream_broken_ = true;
                co_return owner_->expired() ? reason::client_timed_out : reason::client_closed;
            }
        }
        up_in_.consume(used);
        if (done || ended != reason::completed) break;
        if (!up_in_.empty()) continue;
        owner_->arm_upstream(limits().body_timeout, *link_.stream);
        const auto got = co_await link_.stream->async_read(up_in_);
        if (got.error) {
            // Only a proper end (FIN, and close_notify over TLS) may delimit a body (RFC 9112, 9.8).
            const bool proper = got.error == errc::closed && decoder.end_of_input().has_value();
            if (!proper) ended = owner_->upstream_expired() ? reason::upstream_timed_out : reason::upstream_closed;
            done = proper;
            if (!proper || !chunked) break;
        }
    }
    co_return ended;
}

asio::awaitable<http_session::next> http_session::finish_response(exchange& e, body_pump& pump, reason why, bool keep)
{
    if (pump.fault)
        why = reason::malformed_request;
    else if (pump.refused)
        why = pump.refused->verdict.why;
    else if (pump.client_gone)
        why = reason::client_closed;
    const bool whole = pump.complete;
    e.finish(why);
    if (!pump.done) {
        // The answer is there before the whole request: nobody wants the rest (RFC 9112, 9.6).
        if (link_.stream) link_.stream->close();
        co_await settle(pump, false);
        co_return next::close; // run() drains what still arrives, so that the answer is not lost to a reset
    }
    if (why != reason::completed) {
        // The client must see that the answer is cut: no proper end.
        reset_connection(downstream_->socket());
        downstream_broken_ = true;
        co_return next::close;
    }
    co_return keep&& whole ? next::keep : next::close;
}

asio::awaitable<http_session::next> http_session::finish_without_response(exchange& e, body_pump& pump, reason why,
                                                                          const http::fault* fault)
{
    std::string detail = fault ? std::string(fault->what) : std::string();
    if (pump.fault) {
        exchange::answer answer{pump.fault->status, gateway_decision(reason::malformed_request, policy::stage::content),
                                std::string(pump.fault->what)};
        const next after = co_await refuse(e, std::move(answer));
        (void)after;
        co_return next::close;
    }
    if (pump.refused) {
        exchange::answer answer = *pump.refused;
        const next after = co_await refuse_answered(e, pump, std::move(answer));
        co_return after;
    }
    if (link_.stream) link_.stream->close();
    co_await settle(pump, false);
    if (!downstream_->is_open() || pump.client_gone) {
        e.finish(owner_->expired() ? reason::client_timed_out : reason::client_closed);
        downstream_broken_ = true;
        co_return next::close;
    }
    e.head.keep_alive = false;
    const next after = co_await answer_failure(e, why, std::move(detail));
    (void)after;
    co_return next::close;
}

// A refusal after something of the request has been sent: nothing more goes either way.
asio::awaitable<http_session::next> http_session::refuse_answered(exchange& e, body_pump& pump, exchange::answer answer)
{
    if (link_.stream) link_.stream->close();
    co_await settle(pump, false);
    if (!downstream_->is_open() || pump.client_gone) {
        e.answered_by_gateway(answer.status);
        e.finish(answer.verdict.why, answer.detail);
        downstream_broken_ = true;
        co_return next::close;
    }
    e.head.keep_alive = false;
    const next after = co_await refuse(e, std::move(answer));
    (void)after;
    co_return next::close;
}

asio::awaitable<http_session::next> http_session::pass_upgrade(exchange& e, const http::response_head& head)
{
    http::forward_response out;
    http::rebuild(head, e.head.minor, true, out);
    std::string bytes;
    http::write_response_head(bytes, out);
    bytes += up_in_.text();
    up_in_.clear();
    const auto written = co_await downstream_->async_write(as_bytes(bytes));
    if (!written.error && !in_.empty()) {
        co_await link_.stream->async_write(as_bytes(in_.text()));
        in_.clear();
    }
    relay_totals totals;
    if (!written.error) totals = co_await relay(*owner_, *downstream_, *link_.stream);
    e.note_request(totals.sent);
    e.note_response(totals.received);
    e.finish(totals.why);
    co_return next::close;
}

} // namespace cofferdam::gateway
