#include "gateway/http1_origin.hpp"

#include "core/io/coroutine.hpp"
#include "core/text.hpp"
#include "gateway/http2_session.hpp"
#include "gateway/spawn.hpp"
#include "http/body.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <openssl/evp.h>
#include <openssl/rand.h>

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr auto for_ever = std::chrono::steady_clock::time_point::max();
constexpr std::size_t block_size = 16384;
constexpr std::string_view websocket_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455, 1.3

std::string base64(byte_view bytes)
{
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes.data(), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::string make_websocket_key()
{
    std::array<std::uint8_t, 16> nonce{};
    if (RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) != 1) throw std::runtime_error("no random numbers");
    return base64(nonce);
}

std::string expected_accept(std::string_view key)
{
    const std::string text = std::string(key) + std::string(websocket_guid);
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) return {};
    return base64(byte_view(digest.data(), size));
}

http::field_list to_list(const std::vector<std::pair<std::string, std::string>>& trailers)
{
    http::field_list out;
    for (const auto& [name, value] : trailers) out.emplace_back(to_lower(name), value);
    return out;
}

asio::awaitable<void> keep_running(std::shared_ptr<http1_origin> origin, asio::awaitable<void> task)
{
    static_cast<void>(origin);
    co_await std::move(task);
}

} // namespace

http1_origin::http1_origin(std::shared_ptr<http2_session> session, std::shared_ptr<http2_stream> stream)
    : session_(std::move(session)), stream_(std::move(stream)), wake_request_(session_->owner().home().context()),
      wake_answer_(session_->owner().home().context()), block_(block_size)
{
}

void http1_origin::forward(std::shared_ptr<http2_session> session, std::shared_ptr<http2_stream> stream)
{
    auto made = std::make_shared<http1_origin>(session, stream);
    auto& flow = session->owner();
    spawn_counted(flow.home().context(), flow.job(), keep_running(made, made->run()));
    stream->start(std::move(made));
}

void http1_origin::cancel(std::uint32_t)
{
    cancelled_ = true;
    if (link_.stream) link_.stream->close();
    wake_request_.cancel();
    wake_answer_.cancel();
}

asio::awaitable<void> http1_origin::run()
{
    reason why = reason::completed;
    std::exception_ptr failure;
    try {
        for (unsigned attempt = 0; attempt < 2; ++attempt) {
            link_ = attempt == 0 ? session_->take_idle_link() : upstream_link{};
            const bool reused = link_.stream && attempt == 0;
            bool retry = false;
            const bool ready = co_await connect();
            if (!ready) co_return;
            const bool sent = co_await send_head(reused, retry);
            why = reason::upstream_closed;
            if (sent) why = co_await read_answer(reused, retry);
            if (!retry) break;
        }
    }
    catch (...) {
        failure = std::current_exception();
        why = reason::internal_error;
    }
    if (link_.stream && (why != reason::completed || !sent_)) link_.stream->close();
    cancelled_ |= why != reason::completed;
    while (sending_) {
        wake_request_.cancel();
        wake_answer_.expires_after(std::chrono::milliseconds(20));
        co_await wake_answer_.async_wait(use_tuple);
    }
    finish(why);
    if (failure) std::rethrow_exception(failure);
}

void http1_origin::finish(reason why)
{
    const auto stream = std::exchange(stream_, nullptr);
    if (why == reason::completed) {
        if (link_.stream && link_.stream->is_open() && sent_ && in_.empty() && !upgraded_)
            session_->keep_idle_link(std::move(link_));
        stream->on_origin_done();
    }
    else {
        stream->fail(why, detail_);
    }
    session_->flush();
}

asio::awaitable<bool> http1_origin::connect()
{
    if (link_.stream) co_return true;
    const auto& e = stream_->what();
    const std::string host = e.host;
    if (auto place = session_->place_for_link()) {
        link_ = co_await connect_upstream(session_->owner(), host, e.port, session_->secure());
        link_.place = std::move(place);
    }
    else {
        link_.why = reason::overload;
        link_.detail = "serve.max_connections is reached";
    }
    if (link_.why == reason::completed && cancelled_) link_.stream.reset();
    if (link_.stream) co_return true;
    const auto stream = std::exchange(stream_, nullptr);
    stream->fail(cancelled_ ? reason::client_closed : link_.why, link_.detail);
    session_->flush();
    co_return false;
}

asio::awaitable<bool> http1_origin::send_head(bool reused, bool& retry)
{
    auto out = stream_->forwarded();
    upgrade_ = out.websocket_upgrade;
    if (upgrade_) {
        key_ = make_websocket_key();
        std::erase_if(out.fields, [](const http::field& f) { return equals_ignoring_case(f.name, "sec-websocket-key"); });
        out.fields.push_back({"Sec-WebSocket-Key", key_});
    }
    chunked_ = out.body == http::body_kind::chunked;
    std::string bytes;
    http::write_request_head(bytes, out);
    stream_->note_sent();
    const auto written = co_await link_.stream->async_write(as_bytes(bytes));
    const bool body = stream_->has_body() && !upgrade_;
    if (written.error) {
        retry = reused && !body && http::is_idempotent(out.method);
        detail_ = "the origin closed the connection";
        co_return false;
    }
    sent_ = !body;
    if (body) {
        sending_ = true;
        auto& flow = session_->owner();
        spawn_counted(flow.home().context(), flow.job(), send_body(shared_from_this()));
    }
    co_return true;
}

// Beside the reading of the answer. Run as long as `sending_`.
asio::awaitable<void> http1_origin::send_body(std::shared_ptr<http1_origin> self)
{
    struct end_guard {
        explicit end_guard(http1_origin& guarded) : origin(guarded) {}
        ~end_guard()
        {
            origin.sending_ = false;
            origin.wake_answer_.cancel();
        }
        http1_origin& origin;
    };
    const end_guard guard(*self);
    const auto stream = stream_;
    std::vector<std::uint8_t> block(block_size);
    std::string out;
    while (!cancelled_) {
        const auto piece = stream->take_request(block);
        out.clear();
        const std::string_view data(reinterpret_cast<const char*>(block.data()), piece.size);
        if (chunked_)
            http::write_chunk(out, data);
        else
            out += data;
        if (piece.ends && chunked_) http::write_last_chunk(out, *piece.trailers);
        if (!out.empty()) {
            const auto written = co_await link_.stream->async_write(as_bytes(out));
            if (written.error) co_return; // its answer may still be readable
        }
        if (piece.ends) {
            if (upgraded_) co_await link_.stream->async_shutdown_write();
            sent_ = true;
            co_return;
        }
        if (piece.size > 0) continue;
        wake_request_.expires_at(for_ever);
        co_await wake_request_.async_wait(use_tuple);
    }
}

asio::awaitable<reason> http1_origin::read_head(http::response_head& head, bool& any_byte)
{
    http::head_scanner scanner(http::message_kind::response);
    http::response_context context;
    context.request_method = stream_->what().head.method;
    context.upgrade_requested = upgrade_;
    for (;;) {
        const auto end = scanner.find_end(in_, session_->limits());
        if (end) {
            head_bytes_.assign(in_, 0, *end);
            in_.erase(0, *end);
            const auto parsed = http::parse_response_head(head_bytes_, session_->limits(), context, head);
            stream_->what().note_response(head_bytes_.size());
            if (!parsed && head.why) detail_ = head.why->what;
            co_return parsed ? reason::completed : reason::upstream_malformed;
        }
        if (end.error() != errc::need_more) {
            if (scanner.why()) detail_ = scanner.why()->what;
            co_return reason::upstream_malformed;
        }
        const auto got = co_await link_.stream->async_read_some(block_);
        if (got.error) {
            detail_ = "the origin closed the connection before its answer";
            co_return reason::upstream_closed;
        }
        any_byte = true;
        in_.append(reinterpret_cast<const char*>(block_.data()), got.transferred);
    }
}

// RFC 6455, 4.1: the HTTP/1.1 side of the handshake is ours, so its check is too.
bool http1_origin::accepts(const http::response_head& head) const
{
    const auto* accept = http::find_field(head.fields, "sec-websocket-accept");
    return accept && accept->value == expected_accept(key_);
}

asio::awaitable<reason> http1_origin::read_answer(bool reused, bool& retry)
{
    http::response_head head;
    for (;;) {
        head = http::response_head{};
        bool any_byte = false;
        const reason got = co_await read_head(head, any_byte);
        if (got == reason::upstream_closed && reused && !any_byte && sent_ && !cancelled_ && !stream_->has_body()) {
            retry = http::is_idempotent(stream_->what().head.method);
        }
        if (got != reason::completed) co_return got;
        if (!head.interim()) break;
        if (stream_->on_interim(head)) continue;
        detail_ = "too many interim answers";
        co_return reason::upstream_malformed;
    }
    if (head.status == 101) {
        upgraded_ = true;
        if (!accepts(head)) {
            detail_ = "Sec-WebSocket-Accept does not answer the handshake";
            co_return reason::upstream_malformed;
        }
        stream_->on_answer(head, false);
        const reason ended = co_await relay_answer();
        co_return ended;
    }
    const bool ends = head.body == http::body_kind::none || (head.body == http::body_kind::length && head.content_length == 0);
    stream_->on_answer(head, ends);
    reason ended = reason::completed;
    if (!ends) ended = co_await read_body(head);
    if (!head.keep_alive || !sent_) link_.stream->close();
    co_return ended;
}

asio::awaitable<void> http1_origin::wait_for_room()
{
    while (stream_->answer_waiting() + block_size > session_->limits().http2.stream_window && !cancelled_) {
        wake_answer_.expires_at(for_ever);
        co_await wake_answer_.async_wait(use_tuple);
    }
}

asio::awaitable<reason> http1_origin::read_body(const http::response_head& head)
{
    http::body_decoder decoder(head.body, head.content_length, session_->limits());
    for (;;) {
        std::size_t used = 0;
        while (used < in_.size() && !decoder.done()) {
            const auto step = decoder.next(std::string_view(in_).substr(used));
            if (!step) {
                detail_ = decoder.why()->what;
                co_return reason::upstream_malformed;
            }
            used += step->consumed;
            if (!step->data.empty()) stream_->on_answer_data(step->data);
        }
        in_.erase(0, used);
        if (decoder.done()) break;
        co_await wait_for_room();
        if (cancelled_) co_return reason::client_closed;
        const auto got = co_await link_.stream->async_read_some(block_);
        if (got.error) {
            // Only a proper end (FIN, and close_notify over TLS) may delimit a body (RFC 9112, 9.8).
            if (got.error == errc::closed && decoder.end_of_input().has_value()) break;
            detail_ = "the origin closed the connection inside its answer";
            co_return reason::upstream_closed;
        }
        in_.append(reinterpret_cast<const char*>(block_.data()), got.transferred);
    }
    stream_->on_answer_end(to_list(decoder.trailers()));
    co_return reason::completed;
}

// An open WebSocket: bytes as they are, both ways.
asio::awaitable<reason> http1_origin::relay_answer()
{
    sending_ = true;
    chunked_ = false;
    auto& flow = session_->owner();
    spawn_counted(flow.home().context(), flow.job(), send_body(shared_from_this()));
    if (!in_.empty()) stream_->on_answer_data(std::exchange(in_, {}));
    for (;;) {
        co_await wait_for_room();
        if (cancelled_) co_return reason::client_closed;
        const auto got = co_await link_.stream->async_read_some(block_);
        if (got.error) {
            if (got.error != errc::closed) detail_ = "the origin closed the connection";
            if (got.error == errc::closed) stream_->on_answer_end({});
            co_return got.error == errc::closed ? reason::completed : reason::upstream_closed;
        }
        stream_->on_answer_data({reinterpret_cast<const char*>(block_.data()), got.transferred});
    }
}

} // namespace cofferdam::gateway
