#include "gateway/http2_session.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/evidence.hpp"
#include "gateway/http1_origin.hpp"
#include "gateway/http2_origin.hpp"
#include "gateway/spawn.hpp"
#include "gateway/upstream_pool.hpp"

namespace cofferdam::gateway {
namespace {

constexpr std::chrono::milliseconds linger{1500}; // for the last answer to arrive before the reset
constexpr std::size_t max_idle_links = 8;
constexpr auto no_error = static_cast<std::uint32_t>(http::h2_code::no_error);

// The coroutine owns the session, not the other way round.
asio::awaitable<void> write_downstream(std::shared_ptr<http2_session> keep, http2_connection& connection)
{
    static_cast<void>(keep);
    co_await connection.write();
}

} // namespace

http2_session::http2_session(std::shared_ptr<flow> owner, std::unique_ptr<tls::stream> downstream, upstream_link link,
                             bool secure)
    : owner_(std::move(owner)), secure_(secure), link_(std::move(link)),
      downstream_(owner_, std::move(downstream), http::h2_session::role::server, *this, link_.stream && !link_.http2),
      limit_(owner_->home())
{
}

http2_session::~http2_session() = default;

void http2_session::fail_with(reason why, std::string detail)
{
    failure_.emplace();
    failure_->why = why;
    failure_->detail = std::move(detail);
}

asio::awaitable<void> http2_session::run()
{
    auto on_expiry = [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->on_limit();
    };
    limit_.call(std::move(on_expiry));
    if (link_.stream) {
        host_ = owner_->facts().host;
        adopt(std::move(link_));
    }
    arm_limit();
    spawn_counted(owner_->home().context(), owner_->job(), write_downstream(shared_from_this(), downstream_));
    std::exception_ptr failure;
    error_code ended;
    std::function<void()> after = [this] { after_block(); };
    try {
        ended = co_await downstream_.read(std::move(after));
    }
    catch (...) {
        failure = std::current_exception();
    }
    limit_.disarm();
    if (ended || failure) downstream_.close();
    end_streams(downstream_.session().abused() ? reason::overload : reason::client_closed);
    if (origin_) origin_->leave();
    idle_links_.clear();
    co_await downstream_.finish();
    record_connection();
    if (failure) std::rethrow_exception(failure);
    if (!downstream_.stream().is_open()) co_return;
    owner_->arm(linger + linger);
    co_await downstream_.stream().async_shutdown(linger);
}

void http2_session::record_connection()
{
    const auto action = refused_only_ ? audit::verdict_label::deny : audit::verdict_label::allow;
    if (served_ > 0) {
        owner_->job().metrics().connection(secure_ ? audit::connection_kind::tls : audit::connection_kind::http, action);
        return;
    }
    const auto& error = downstream_.session().error();
    reason why = timed_out_ ? reason::client_timed_out : reason::client_closed;
    if (!error.empty()) why = downstream_.session().abused() ? reason::overload : reason::malformed_request;
    close_unused(*owner_, secure_ ? "tls" : "tcp", why, error.empty() ? error : "HTTP/2: " + error);
}

void http2_session::flush() noexcept
{
    downstream_.wake();
    if (origin_) origin_->wake();
}

void http2_session::after_block()
{
    const auto due = std::exchange(refusals_, {});
    for (const auto& stream : due) stream->send_refusal();
    arm_limit();
    flush();
}

// Between requests idle_timeout; a head that has begun has head_timeout. Streams have limits of their own.
void http2_session::arm_limit()
{
    if (leaving_) {
        if (!streams_.empty())
            limit_.disarm();
        else if (!idle_)
            limit_.arm(linger);
        idle_ = streams_.empty();
        return;
    }
    const bool in_head = downstream_.session().in_head();
    if (in_head && !in_head_) limit_.arm(limits().head_timeout);
    const bool idle = streams_.empty() && !in_head;
    if (idle && (!idle_ || in_head_)) limit_.arm(limits().idle_timeout);
    if (!idle && !in_head) limit_.disarm();
    in_head_ = in_head;
    idle_ = idle;
}

void http2_session::on_limit()
{
    if (leaving_ || in_head_) { // it was told to go, or does not finish what it began
        downstream_.close();
        return;
    }
    timed_out_ = true;
    leave(no_error);
}

void http2_session::end_streams(reason why)
{
    const auto left = std::exchange(streams_, {});
    for (const auto& [id, stream] : left) stream->on_closed(0, why);
    waiting_.clear();
    refusals_.clear();
}

std::shared_ptr<http2_stream> http2_session::find(http::stream_id id) const
{
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : found->second;
}

std::shared_ptr<http2_stream> http2_session::make_stream(http::stream_id id)
{
    ++served_;
    auto made = http2_stream::make(*this, id);
    streams_[id] = made;
    return made;
}

void http2_session::on_head(http::stream_id id, http::field_list fields, bool ends, bool too_large)
{
    make_stream(id)->on_request(std::move(fields), ends, too_large);
}

void http2_session::on_malformed(http::stream_id id, const http::field_list& fields)
{
    const auto known = find(id);
    (known ? known : make_stream(id))->on_malformed(fields);
}

void http2_session::on_refused(http::stream_id id)
{
    ++served_;
    http2_stream::make(*this, id)->on_refused();
}

void http2_session::on_data(http::stream_id id, std::string_view data)
{
    if (const auto stream = find(id)) stream->on_request_data(data);
}

void http2_session::on_end(http::stream_id id, http::field_list trailers)
{
    if (const auto stream = find(id)) stream->on_request_end(std::move(trailers));
}

void http2_session::on_sent_end(http::stream_id id)
{
    if (const auto stream = find(id)) stream->on_sent_end();
}

void http2_session::on_closed(http::stream_id id, std::uint32_t code)
{
    const auto stream = find(id);
    if (!stream) return;
    streams_.erase(id);
    stream->on_closed(code, downstream_.session().abused() ? reason::overload : reason::client_closed);
    if (!streams_.empty()) return;
    if (origin_gone_) leave(no_error);
    arm_limit();
}

void http2_session::on_goaway(std::uint32_t code)
{
    if (origin_) origin_->session().goaway(code);
}

http::body_piece http2_session::take_body(http::stream_id id, std::span<std::uint8_t> into)
{
    const auto stream = find(id);
    if (stream) return stream->take_answer(into);
    http::body_piece nothing;
    nothing.ends = true;
    return nothing;
}

void http2_session::refuse_later(std::shared_ptr<http2_stream> stream)
{
    refusals_.push_back(std::move(stream));
    if (refusals_.size() > 1) return;
    // Outside of a block (an upstream that failed) nobody else would come by.
    auto send = [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->after_block();
    };
    asio::post(owner_->home().context(), std::move(send));
}

void http2_session::forward(std::shared_ptr<http2_stream> stream)
{
    refused_only_ = false;
    if (failure_) {
        stream->fail(failure_->why, failure_->detail);
        return;
    }
    auto& e = stream->what();
    if (path_ == path::none) { // plain, by prior knowledge: the first request says where to
        path_ = path::dialling;
        host_ = e.host;
        waiting_.push_back(std::move(stream)); // first: a dial may fail at once
        spawn_counted(owner_->home().context(), owner_->job(), dial(e.host, e.port));
        return;
    }
    if (e.host != host_) {
        stream->fail(reason::host_mismatch, "this connection is for " + host_ + ", the request is for " + e.host);
        return;
    }
    if (path_ == path::dialling)
        waiting_.push_back(std::move(stream));
    else
        start(std::move(stream));
}

asio::awaitable<void> http2_session::dial(std::string host, std::uint16_t port)
{
    const auto keep = shared_from_this();
    upstream_link link = co_await connect_upstream(*owner_, std::move(host), port, secure_);
    const auto due = std::exchange(waiting_, {});
    if (link.why != reason::completed) {
        fail_with(link.why, link.detail);
        for (const auto& stream : due) stream->fail(link.why, link.detail);
        co_return;
    }
    if (due.empty()) co_return; // the client is gone
    link.http2 = true;
    adopt(std::move(link));
    for (const auto& stream : due) {
        if (stream->wants_origin()) start(stream);
    }
    flush();
}

void http2_session::adopt(upstream_link link)
{
    owner_->facts().upstream = link.peer.to_string();
    path_ = link.http2 ? path::http2 : path::http1;
    if (!link.http2) {
        link.place = own_place_;
        keep_idle_link(std::move(link));
        return;
    }
    origin_ = std::make_shared<http2_origin>(*this, std::move(link.stream));
    origin_->start(shared_from_this());
}

void http2_session::start(std::shared_ptr<http2_stream> stream)
{
    if (path_ == path::http2)
        origin_->forward(std::move(stream));
    else
        http1_origin::forward(shared_from_this(), std::move(stream));
}

// Said when what is under way has ended: not every client goes on reading after a GOAWAY. A request that comes before that
// is refused by the origin's stream, which says that it may be sent again.
void http2_session::origin_goes_away(std::uint32_t code)
{
    origin_gone_ = true;
    if (code != 0 || streams_.empty()) leave(code);
}

void http2_session::leave(std::uint32_t code)
{
    if (std::exchange(leaving_, true)) return;
    limit_.arm(linger);
    downstream().goaway(code);
    flush();
}

void http2_session::origin_takes_connect()
{
    downstream().enable_connect();
    flush();
}

upstream_link http2_session::take_idle_link()
{
    upstream_link out;
    while (!idle_links_.empty() && !out.stream) {
        out = std::move(idle_links_.back());
        idle_links_.pop_back();
        if (!out.stream->is_quiet()) out = upstream_link{};
    }
    return out;
}

void http2_session::keep_idle_link(upstream_link link)
{
    if (idle_links_.size() >= max_idle_links) return;
    if (link.place != own_place_) link.place = owner_->job().connections()->spare(1);
    if (link.place) idle_links_.push_back(std::move(link));
}

std::shared_ptr<void> http2_session::place_for_link()
{
    if (own_place_.use_count() == 1) return own_place_;
    auto place = owner_->job().connections()->further();
    if (!place && owner_->home().idle_upstreams().drop_all()) place = owner_->job().connections()->further();
    return place;
}

} // namespace cofferdam::gateway
