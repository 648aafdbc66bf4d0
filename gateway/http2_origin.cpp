#include "gateway/http2_origin.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/http2_session.hpp"
#include "gateway/spawn.hpp"
#include "http/h2_head.hpp"

namespace cofferdam::gateway {

/// One stream of the connection, as the session's stream sees it.
class http2_origin::request final : public origin_request {
public:
    request(std::weak_ptr<http2_origin> connection, http::stream_id id) : connection_(std::move(connection)), id_(id) {}

    void request_ready() override
    {
        const auto connection = connection_.lock();
        if (!connection) return;
        connection->session().resume(id_);
        connection->wake();
    }
    void answer_taken(std::size_t count) override
    {
        const auto connection = connection_.lock();
        if (!connection) return;
        connection->session().consume(id_, count);
        connection->wake();
    }
    void cancel(std::uint32_t code) override
    {
        const auto connection = connection_.lock();
        if (!connection) return;
        connection->streams_.erase(id_);
        connection->session().reset(id_, code);
        connection->wake();
    }

private:
    std::weak_ptr<http2_origin> connection_;
    http::stream_id id_;
};

http2_origin::http2_origin(http2_session& owner, std::unique_ptr<tls::stream> stream)
    : owner_(owner),
      connection_(owner.owner().shared_from_this(), std::move(stream), http::h2_session::role::client, *this, false)
{
}

void http2_origin::start(std::shared_ptr<http2_session> owner)
{
    auto& flow = owner_.owner();
    spawn_counted(flow.home().context(), flow.job(), read(owner));
    spawn_counted(flow.home().context(), flow.job(), write(std::move(owner)));
}

asio::awaitable<void> http2_origin::read(std::shared_ptr<http2_session> keep)
{
    const auto self = shared_from_this();
    std::string detail = "the origin closed the connection";
    std::exception_ptr failure;
    std::function<void()> after = [keep] { keep->flush(); };
    try {
        const auto ended = co_await connection_.read(std::move(after));
        if (ended && ended != errc::closed) detail += ": " + ended.message();
    }
    catch (...) {
        failure = std::current_exception();
    }
    if (!session().error().empty()) detail = "HTTP/2: " + session().error();
    end(std::move(detail));
    if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> http2_origin::write(std::shared_ptr<http2_session> keep)
{
    static_cast<void>(keep);
    const auto self = shared_from_this();
    co_await connection_.write();
    // Written to its end, or not writable: there is nothing that reading could still be good for once we are leaving.
    if (leaving_) connection_.close();
}

void http2_origin::end(std::string detail)
{
    if (std::exchange(gone_, true)) return;
    const bool broken = session().broken() || session().abused();
    const auto left = std::exchange(streams_, {});
    for (const auto& [id, each] : left) {
        if (each.answer_ended)
            each.stream->on_origin_done();
        else
            each.stream->fail(broken ? reason::upstream_malformed : reason::upstream_closed, detail);
    }
    if (!leaving_) owner_.origin_goes_away(static_cast<std::uint32_t>(http::h2_code::no_error));
    leave();
    connection_.close();
}

void http2_origin::leave()
{
    if (std::exchange(leaving_, true)) return;
    session().goaway(static_cast<std::uint32_t>(http::h2_code::no_error));
    connection_.leave();
}

http2_origin::entry* http2_origin::find(http::stream_id id)
{
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : &found->second;
}

void http2_origin::forward(std::shared_ptr<http2_stream> stream)
{
    const auto refused = static_cast<std::uint32_t>(http::h2_code::refused_stream);
    if (gone_ || leaving_ || going_away_) {
        stream->fail(reason::upstream_closed, "the origin takes no more requests on this connection", refused);
        return;
    }
    const auto wanted = stream->forwarded();
    if (wanted.websocket_upgrade && !takes_connect_) {
        stream->fail(reason::upstream_malformed, "the origin does not take WebSocket over HTTP/2");
        return;
    }
    const auto fields = http::write_h2_request(wanted, owner_.scheme(), stream->reads_trailers());
    const auto id = session().request(fields, !stream->has_body());
    if (id < 0) {
        stream->fail(reason::upstream_closed, "the connection has no more streams", refused);
        return;
    }
    stream->note_sent();
    streams_[id].stream = stream;
    stream->start(std::make_shared<http2_origin::request>(weak_from_this(), id));
    wake();
}

void http2_origin::malformed(http::stream_id id, std::string detail)
{
    auto* each = find(id);
    if (!each) return;
    const auto stream = each->stream;
    streams_.erase(id);
    session().reset(id, http::h2_code::protocol_error);
    stream->fail(reason::upstream_malformed, std::move(detail));
}

void http2_origin::on_head(http::stream_id id, http::field_list fields, bool ends, bool too_large)
{
    auto* each = find(id);
    if (!each) return;
    const auto stream = each->stream;
    std::string bytes;
    http::response_head head;
    const auto* why = http::read_h2_response(fields, ends, stream->what().head.method, owner_.limits(), bytes, head);
    if (too_large) why = &http::faults::head_size;
    if (why) {
        malformed(id, std::string(why->what));
        return;
    }
    stream->what().note_response(bytes.size());
    if (head.interim()) {
        if (!stream->on_interim(head)) malformed(id, "too many interim answers");
        return;
    }
    each->answer_ended = ends;
    stream->on_answer(head, ends);
}

void http2_origin::on_malformed(http::stream_id id, const http::field_list&)
{
    malformed(id, "the answer breaks the rules of HTTP/2 (RFC 9113, 8)");
}

void http2_origin::on_data(http::stream_id id, std::string_view data)
{
    if (auto* each = find(id)) each->stream->on_answer_data(data);
}

void http2_origin::on_end(http::stream_id id, http::field_list trailers)
{
    auto* each = find(id);
    if (!each) return;
    http::field_list passed;
    if (const auto* why = http::read_h2_trailers(trailers, owner_.limits(), passed)) {
        malformed(id, std::string(why->what));
        return;
    }
    each->answer_ended = true;
    each->stream->on_answer_end(std::move(passed));
}

void http2_origin::on_closed(http::stream_id id, std::uint32_t code)
{
    auto* each = find(id);
    if (!each) return;
    const auto closed = std::move(*each);
    streams_.erase(id);
    if (closed.answer_ended)
        closed.stream->on_origin_done();
    else
        closed.stream->fail(reason::upstream_closed, "the origin reset the stream with code " + std::to_string(code), code);
    owner_.flush();
}

void http2_origin::on_goaway(std::uint32_t code)
{
    going_away_ = true;
    if (!leaving_) owner_.origin_goes_away(code);
}

void http2_origin::on_settings(bool enables_connect)
{
    if (enables_connect && !std::exchange(takes_connect_, true)) owner_.origin_takes_connect();
}

http::body_piece http2_origin::take_body(http::stream_id id, std::span<std::uint8_t> into)
{
    if (auto* each = find(id)) return each->stream->take_request(into);
    http::body_piece nothing;
    nothing.ends = true;
    return nothing;
}

} // namespace cofferdam::gateway
