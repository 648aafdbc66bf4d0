#include "gateway/http2_stream.hpp"

#include "core/text.hpp"
#include "gateway/evidence.hpp"
#include "gateway/http2_session.hpp"
#include "http/error_page.hpp"
#include "http/h2_head.hpp"

namespace cofferdam::gateway {
namespace {

constexpr auto no_error = static_cast<std::uint32_t>(http::h2_code::no_error);
constexpr std::chrono::milliseconds body_patience{50};
constexpr auto cancelled = static_cast<std::uint32_t>(http::h2_code::cancel);

} // namespace

http2_stream::http2_stream(http2_session& session, http::stream_id id)
    : session_(session), id_(id), exchange_(session.owner(), session.scheme(), audit::http_version::http2),
      limit_(session.owner().home())
{
}

std::shared_ptr<http2_stream> http2_stream::make(http2_session& session, http::stream_id id)
{
    auto made = std::make_shared<http2_stream>(session, id);
    auto on_expiry = [weak = std::weak_ptr<http2_stream>(made)] {
        if (const auto self = weak.lock()) self->on_time_out();
    };
    made->limit_.call(std::move(on_expiry));
    return made;
}

http::forward_request http2_stream::forwarded()
{
    http::forward_request out;
    http::rebuild(exchange_.head, out);
    target_ = exchange_.target.to_string();
    out.target = target_;
    out.host = exchange_.host_field();
    return out;
}

bool http2_stream::reads_trailers() const noexcept
{
    return http::find_field(exchange_.head.fields, "te") != nullptr;
}

void http2_stream::on_request(http::field_list fields, bool ends, bool too_large)
{
    has_body_ = !ends;
    request_ended_ = ends;
    const auto* why = http::read_h2_request(fields, ends, session_.limits(), exchange_.head_bytes, exchange_.head);
    if (too_large) why = &http::faults::head_size;
    exchange_.note_request(exchange_.head_bytes.size());
    if (!exchange_.reserve()) {
        refuse({503, gateway_decision(reason::audit_failed, policy::stage::request), "no record can be kept"});
        return;
    }
    if (why) {
        refuse_malformed(*why);
        return;
    }
    auto refused = exchange_.judge();
    if (refused) {
        refuse(std::move(*refused));
        return;
    }
    progress();
    session_.forward(shared_from_this());
}

void http2_stream::on_malformed(const http::field_list& fields)
{
    if (exchange_.finished()) return;
    const bool fresh = exchange_.head_bytes.empty();
    if (fresh) {
        const auto* ignored = http::read_h2_request(fields, true, session_.limits(), exchange_.head_bytes, exchange_.head);
        static_cast<void>(ignored); // nghttp2 found a fault, whatever is thought of what came before it
    }
    drop_origin(cancelled);
    if (!exchange_.reserve()) return;
    const auto verdict = gateway_decision(reason::malformed_request, policy::stage::request);
    exchange_.note_malformed({400, verdict, {}});
    finish(reason::malformed_request, "the request breaks the rules of HTTP/2 (RFC 9113, 8)");
}

void http2_stream::on_refused()
{
    if (!exchange_.reserve()) return;
    exchange_.note_malformed({503, gateway_decision(reason::overload, policy::stage::request), {}});
    finish(reason::overload, "http.http2.max_streams is reached");
}

void http2_stream::on_request_data(std::string_view data)
{
    exchange_.capture_request_body(data);
    if (refused_ || closed_ || origin_done_) { // nobody wants it
        session_.downstream().consume(id_, data.size());
        return;
    }
    request_.append(data);
    progress();
    if (origin_) origin_->request_ready();
}

void http2_stream::on_request_end(http::field_list trailers)
{
    if (refused_ && !closed_) session_.refuse_later(shared_from_this());
    if (const auto* why =
            refused_ || closed_ ? nullptr : http::read_h2_trailers(trailers, session_.limits(), request_trailers_)) {
        refuse_midway({why->status, gateway_decision(reason::malformed_request, policy::stage::content), std::string(why->what)});
        return;
    }
    if (!refused_ && !closed_ && !request_trailers_.empty()) {
        if (auto refused = exchange_.judge_trailers(request_trailers_)) {
            refuse_midway(std::move(*refused));
            return;
        }
    }
    request_ended_ = true;
    progress();
    if (origin_) origin_->request_ready();
}

// After something of the request may have been sent: nothing more goes either way.
void http2_stream::refuse_midway(exchange::answer answer)
{
    drop_origin(cancelled);
    if (!answered_) {
        refuse(std::move(answer));
        return;
    }
    exchange_.verdict = answer.verdict;
    finish(answer.verdict.why, std::move(answer.detail));
    reset(cancelled);
}

http::body_piece http2_stream::take_request(std::span<std::uint8_t> into)
{
    http::body_piece out;
    out.size = request_.take(into);
    out.ends = request_.empty() && request_ended_;
    out.trailers = &request_trailers_;
    exchange_.note_request(out.size);
    session_.downstream().consume(id_, out.size);
    if (out.size > 0) {
        progress();
        session_.flush();
    }
    return out;
}

void http2_stream::start(std::shared_ptr<origin_request> origin)
{
    origin_ = std::move(origin);
    progress();
    if (closed_)
        drop_origin(cancelled);
    else if (request_waiting())
        origin_->request_ready();
}

bool http2_stream::on_interim(const http::response_head& head)
{
    if (++interim_ > session_.limits().max_interim_responses) return false;
    http::forward_response out;
    http::rebuild(head, 1, true, out);
    const auto fields = http::write_h2_response(out);
    session_.downstream().interim(id_, fields);
    progress();
    return true;
}

void http2_stream::on_answer(const http::response_head& head, bool ends)
{
    if (closed_ || refused_) return;
    exchange_.answered_by_origin(head);
    if (auto refused = exchange_.judge_answer(head)) {
        refuse_midway(std::move(*refused));
        return;
    }
    answered_ = true;
    tunnel_ = exchange_.head.websocket_upgrade && (head.status == 101 || (head.status >= 200 && head.status < 300));
    http::forward_response out;
    http::rebuild(head, 1, true, out);
    std::erase_if(out.fields, [](const http::field& f) { return equals_ignoring_case(f.name, "alt-svc"); });
    if (head.status == 101) out.status = 200; // RFC 8441, 5
    if (head.status == 101)
        std::erase_if(out.fields, [](const http::field& f) { return equals_ignoring_case(f.name, "sec-websocket-accept"); });
    answer_ended_ = ends;
    const auto fields = http::write_h2_response(out);
    session_.downstream().answer(id_, fields, ends);
    progress();
    session_.flush();
}

void http2_stream::on_answer_data(std::string_view data)
{
    if (closed_ || refused_) return;
    exchange_.capture_response_body(data);
    exchange_.note_response(data.size());
    answer_.append(data);
    progress();
    session_.downstream().resume(id_);
    session_.flush();
}

void http2_stream::on_answer_end(http::field_list trailers)
{
    if (closed_ || refused_ || answer_ended_) return;
    answer_ended_ = true;
    answer_trailers_ = std::move(trailers);
    progress();
    session_.downstream().resume(id_);
    session_.flush();
}

http::body_piece http2_stream::take_answer(std::span<std::uint8_t> into)
{
    http::body_piece out;
    if (cut_ && answer_.empty()) {
        reset(*cut_);
        return out;
    }
    out.size = answer_.take(into);
    out.ends = answer_.empty() && answer_ended_;
    out.trailers = &answer_trailers_;
    if (out.size > 0) {
        progress();
        if (origin_) origin_->answer_taken(out.size);
        session_.flush();
    }
    return out;
}

void http2_stream::on_origin_done()
{
    origin_done_ = true;
    origin_.reset();
    const auto unsent = request_.size();
    request_.clear();
    session_.downstream().consume(id_, unsent);
    if (sent_end_ && !request_ended_) reset(no_error);
}

void http2_stream::on_sent_end()
{
    sent_end_ = true;
    // The whole answer is out and nobody wants the rest of the request (RFC 9113, 8.1).
    if (!request_ended_ && (refused_ || origin_done_)) reset(no_error);
}

void http2_stream::on_closed(std::uint32_t code, reason why)
{
    if (closed_) return;
    closed_ = true;
    limit_.disarm();
    if (answer_ended_ && sent_end_)
        finish(reason::completed);
    else
        finish(why, code == no_error ? "" : "the client reset the stream with code " + std::to_string(code));
    drop_origin(code == no_error ? cancelled : code);
}

void http2_stream::fail(reason why, std::string detail, std::optional<std::uint32_t> code)
{
    if (closed_ || refused_ || cut_) return;
    origin_done_ = true;
    origin_.reset();
    if (answered_ || code) { // the client must see that the answer is cut
        finish(why, std::move(detail));
        cut_ = code.value_or(static_cast<std::uint32_t>(http::h2_code::internal_error));
        limit_.arm(session_.limits().body_timeout);
        if (answered_)
            session_.downstream().resume(id_); // what has come of it goes out first
        else
            reset(*cut_);
        session_.flush();
        return;
    }
    // The policy allowed it and the gateway could not or, where verification failed, would not: the record says which.
    policy::decision verdict = exchange_.verdict;
    if (why == reason::upstream_verify_failed || why == reason::private_address)
        verdict = gateway_decision(why, policy::stage::connection);
    else if (is_refusal(why) || why == reason::overload)
        verdict = gateway_decision(why, policy::stage::request);
    else
        verdict.why = why;
    refuse({http::status_for(why), std::move(verdict), std::move(detail)});
    session_.flush();
}

void http2_stream::refuse_malformed(const http::fault& why)
{
    reason token = reason::malformed_request;
    if (why.code == errc::ambiguous) token = reason::ambiguous_request;
    if (why.code == errc::too_large) token = reason::too_large;
    exchange::answer answer{why.status, gateway_decision(token, policy::stage::request), std::string(why.what)};
    exchange_.note_malformed(answer);
    refuse(std::move(answer));
}

void http2_stream::refuse(exchange::answer answer)
{
    refused_ = true;
    exchange_.verdict = answer.verdict;
    refusal_ = std::move(answer);
    const auto unsent = request_.size();
    request_.clear();
    session_.downstream().consume(id_, unsent);
    session_.refuse_later(shared_from_this());
}

void http2_stream::send_refusal()
{
    if (closed_ || !refusal_ || answer_ended_) return;
    if (!std::exchange(waited_for_body_, true) && waits_for_body()) {
        limit_.arm(body_patience);
        return;
    }
    const auto made = http::make_refusal(exchange_.page_of(*refusal_), http::value_of(exchange_.head.fields, "accept"));
    exchange_.answered_by_gateway(refusal_->status);
    // The record is written before the client knows: who sees the refusal finds it in the log.
    finish(refusal_->verdict.why, refusal_->detail);
    const bool bare = exchange_.head.method == "HEAD";
    if (!bare) answer_.append(made.body);
    answer_ended_ = true;
    limit_.arm(session_.limits().body_timeout);
    session_.downstream().answer(id_, http::write_h2_response(made.head), bare);
}

// A record of a refusal shows what was about to leave, where the policy asks for that; the body comes in frames of its own.
bool http2_stream::waits_for_body() const noexcept
{
    return exchange_.verdict.capture == policy::capture_level::full && exchange_.head.method.size() > 0 && !request_ended_;
}

void http2_stream::progress()
{
    if (closed_ || refused_ || cut_) return;
    const auto& bounds = session_.limits();
    if (tunnel_)
        limit_.arm(session_.owner().job().settings().limits.stream_idle_timeout);
    else
        limit_.arm(!answered_ && request_ended_ ? bounds.response_timeout : bounds.body_timeout);
}

void http2_stream::on_time_out()
{
    if (closed_) return;
    if (refusal_ && !answer_ended_) {
        send_refusal();
        session_.flush();
        return;
    }
    const bool client = refused_ || cut_ || !answer_.empty() || (answer_ended_ && !sent_end_) ||
                        (!request_ended_ && request_.empty() && !answered_);
    const auto origin = std::exchange(origin_, nullptr);
    if (origin) origin->cancel(cancelled);
    if ((!client || tunnel_) && !cut_) {
        fail(reason::upstream_timed_out, "no progress within the time limit");
        return;
    }
    finish(reason::client_timed_out, "no progress within the time limit");
    reset(cancelled);
    session_.flush();
}

void http2_stream::finish(reason why, std::string detail)
{
    exchange_.finish(why, std::move(detail));
}

void http2_stream::drop_origin(std::uint32_t code)
{
    const auto origin = std::exchange(origin_, nullptr);
    if (origin) origin->cancel(code);
}

void http2_stream::reset(std::uint32_t code)
{
    limit_.disarm();
    session_.downstream().reset(id_, code);
    session_.flush();
}

} // namespace cofferdam::gateway
