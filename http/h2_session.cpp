#include "http/h2_session.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <nghttp2/nghttp2.h>
#include <utility>
#include <vector>

namespace cofferdam::http {
namespace {

// A list this many times over the bound is an attack on the decoder (HPACK bomb), not a large request.
constexpr std::size_t hostile_list_factor = 4;
constexpr std::size_t entry_overhead = 32; // RFC 9113, 6.5.2

std::string_view text_of(const std::uint8_t* bytes, std::size_t size) noexcept
{
    return {reinterpret_cast<const char*>(bytes), size};
}

std::vector<nghttp2_nv> to_nv(const field_list& fields)
{
    std::vector<nghttp2_nv> out;
    out.reserve(fields.size());
    for (const auto& [name, value] : fields) {
        // nghttp2 copies both; its interface is not const.
        auto* n = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(name.data()));
        auto* v = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(value.data()));
        out.push_back({n, v, name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return out;
}

struct callbacks_delete {
    void operator()(nghttp2_session_callbacks* made) const noexcept { nghttp2_session_callbacks_del(made); }
};
struct option_delete {
    void operator()(nghttp2_option* made) const noexcept { nghttp2_option_del(made); }
};

} // namespace

/// What nghttp2 calls. Nothing may unwind through it: exceptions are kept and thrown again by receive() and send().
struct h2_session::callbacks {
    template <class Body>
    static int guarded(void* user, Body body) noexcept
    {
        auto& self = *static_cast<h2_session*>(user);
        if (self.over_) return 0; // what is left of the block that was read
        try {
            return body(self);
        }
        catch (...) {
            self.thrown_ = std::current_exception();
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
    }

    static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user)
    {
        return guarded(user, [head](h2_session& self) {
            const bool ack = (head->flags & NGHTTP2_FLAG_ACK) != 0;
            switch (head->type) {
            case NGHTTP2_DATA:
                if (head->length == 0 && (head->flags & NGHTTP2_FLAG_END_STREAM) == 0)
                    self.spend(self.idle_frames_, "empty DATA frames");
                else
                    self.idle_frames_.earn();
                break;
            case NGHTTP2_RST_STREAM: self.spend(self.resets_, "stream resets"); break;
            case NGHTTP2_PING:
            case NGHTTP2_SETTINGS:
                if (!ack) self.spend(self.idle_frames_, "PING or SETTINGS frames");
                break;
            case NGHTTP2_HEADERS:
            case NGHTTP2_CONTINUATION:
            case NGHTTP2_WINDOW_UPDATE: break;
            default: self.spend(self.idle_frames_, "frames that carry nothing"); // PRIORITY
            }
            return 0;
        });
    }

    static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user)
    {
        return guarded(user, [frame](h2_session& self) {
            self.in_head_ = true;
            auto& state = self.streams_[frame->hd.stream_id];
            state.fields.clear();
            state.list_size = 0;
            state.peer_ended |= (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
            return 0;
        });
    }

    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                         const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user)
    {
        return guarded(user, [=](h2_session& self) {
            auto* state = self.find(frame->hd.stream_id);
            if (!state) return 0;
            state->list_size += name_size + value_size + entry_overhead;
            if (state->list_size > self.bounds_.max_head * hostile_list_factor)
                self.end_abuse("a header list far beyond http.max_head");
            else if (state->list_size <= self.bounds_.max_head)
                state->fields.emplace_back(text_of(name, name_size), text_of(value, value_size));
            return 0;
        });
    }

    // Without this nghttp2 leaves the field out and goes on: something else would be judged than was sent.
    static int on_invalid_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                                 const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user)
    {
        return guarded(user, [=](h2_session& self) {
            auto* state = self.find(frame->hd.stream_id);
            if (state) state->fields.emplace_back(text_of(name, name_size), text_of(value, value_size));
            self.pay_reset();
            self.note_malformed(frame->hd.stream_id);
            return static_cast<int>(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE);
        });
    }

    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user)
    {
        return guarded(user, [frame](h2_session& self) {
            switch (frame->hd.type) {
            case NGHTTP2_HEADERS: self.take_head(frame->hd.stream_id, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0); break;
            case NGHTTP2_DATA:
                if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self.listener_.on_end(frame->hd.stream_id, {});
                break;
            case NGHTTP2_GOAWAY: self.listener_.on_goaway(frame->goaway.error_code); break;
            case NGHTTP2_SETTINGS:
                if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) break;
                self.listener_.on_settings(
                    nghttp2_session_get_remote_settings(self.session_.get(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1);
                break;
            default: break;
            }
            return 0;
        });
    }

    static int on_invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int code, void* user)
    {
        return guarded(user, [frame, code](h2_session& self) {
            if (self.error_.empty()) self.error_ = nghttp2_strerror(code);
            const auto* state = self.find(frame->hd.stream_id);
            if (frame->hd.stream_id == 0 || (state && state->malformed)) return 0;
            self.pay_reset();
            if (code == NGHTTP2_ERR_REFUSED_STREAM)
                self.listener_.on_refused(frame->hd.stream_id);
            else
                self.note_malformed(frame->hd.stream_id);
            return 0;
        });
    }

    static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* user)
    {
        return guarded(user, [=](h2_session& self) {
            if (auto* state = self.find(id)) state->unconsumed += size;
            self.listener_.on_data(id, text_of(data, size));
            return 0;
        });
    }

    static int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user)
    {
        return guarded(user, [frame](h2_session& self) {
            if (frame->hd.type == NGHTTP2_RST_STREAM) {
                if (self.settled_resets_ > 0)
                    --self.settled_resets_;
                else
                    self.spend(self.resets_, "streams that had to be reset");
            }
            // A receiver that measures the path sends a PING for DATA it got (gRPC's libraries do).
            if (frame->hd.type == NGHTTP2_DATA && frame->hd.length > 0) self.idle_frames_.earn();
            const bool content = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
            if (content && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self.listener_.on_sent_end(frame->hd.stream_id);
            return 0;
        });
    }

    // A request that was still queued when the peer's GOAWAY came.
    static int on_frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int, void* user)
    {
        return guarded(user, [frame](h2_session& self) {
            if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
            self.forget(frame->hd.stream_id);
            self.listener_.on_closed(frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
            return 0;
        });
    }

    static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user)
    {
        auto& self = *static_cast<h2_session*>(user);
        try {
            self.forget(id);
            self.listener_.on_closed(id, code);
            return 0;
        }
        catch (...) {
            self.thrown_ = std::current_exception();
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
    }

    static ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* into, std::size_t room,
                             std::uint32_t* flags, nghttp2_data_source*, void* user)
    {
        auto& self = *static_cast<h2_session*>(user);
        try {
            const auto piece = self.listener_.take_body(id, {into, room});
            if (piece.size == 0 && !piece.ends) return NGHTTP2_ERR_DEFERRED;
            if (piece.ends) {
                *flags |= NGHTTP2_DATA_FLAG_EOF;
                if (piece.trailers && !piece.trailers->empty()) {
                    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                    const auto lines = to_nv(*piece.trailers);
                    self.check(nghttp2_submit_trailer(session, id, lines.data(), lines.size()));
                }
            }
            return static_cast<ssize_t>(piece.size);
        }
        catch (...) {
            self.thrown_ = std::current_exception();
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
    }

    static std::unique_ptr<nghttp2_session_callbacks, callbacks_delete> make()
    {
        nghttp2_session_callbacks* made = nullptr;
        if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
        nghttp2_session_callbacks_set_on_begin_frame_callback(made, on_begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(made, on_header);
        nghttp2_session_callbacks_set_on_invalid_header_callback(made, on_invalid_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, on_invalid_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
        nghttp2_session_callbacks_set_on_frame_send_callback(made, on_frame_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(made, on_frame_not_sent);
        nghttp2_session_callbacks_set_on_stream_close_callback(made, on_close);
        return std::unique_ptr<nghttp2_session_callbacks, callbacks_delete>(made);
    }
};

void h2_session::session_delete::operator()(nghttp2_session* session) const noexcept
{
    nghttp2_session_del(session);
}

h2_session::h2_session(role as, const limits& bounds, h2_listener& listener, bool connect_protocol)
    : listener_(listener), bounds_(bounds), role_(as), resets_(bounds.http2.max_resets),
      idle_frames_(bounds.http2.max_idle_frames), frames_(as == role::server ? NGHTTP2_CLIENT_MAGIC_LEN : 0)
{
    const auto table = callbacks::make();
    nghttp2_option* made_option = nullptr;
    if (nghttp2_option_new(&made_option) != 0) throw std::bad_alloc();
    const std::unique_ptr<nghttp2_option, option_delete> option(made_option);
    nghttp2_option_set_no_auto_window_update(option.get(), 1);
    nghttp2_option_set_no_closed_streams(option.get(), 1);
    nghttp2_option_set_max_send_header_block_length(option.get(), 4 * bounds_.max_head);
    // Our own budget says when it is enough, and has a record for it.
    nghttp2_option_set_stream_reset_rate_limit(option.get(), 1U << 30U, 1U << 30U);
    nghttp2_session* made = nullptr;
    const int failed = as == role::server ? nghttp2_session_server_new2(&made, table.get(), this, option.get())
                                          : nghttp2_session_client_new2(&made, table.get(), this, option.get());
    if (failed) throw std::bad_alloc();
    session_.reset(made);
    submit_settings(as, connect_protocol);
}

h2_session::~h2_session() = default;

void h2_session::submit_settings(role as, bool connect_protocol)
{
    const auto& own = bounds_.http2;
    std::vector<nghttp2_settings_entry> entries{
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(own.stream_window)},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, static_cast<std::uint32_t>(own.max_frame)},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(bounds_.max_head)},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    if (as == role::client) entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
    if (as == role::server)
        entries.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(own.max_streams)});
    if (connect_protocol) entries.push_back({NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1});
    check(nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, entries.data(), entries.size()));
    check(nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0,
                                                static_cast<std::int32_t>(own.connection_window)));
}

bool h2_session::receive(byte_view bytes, time_point now)
{
    if (broken_ || over_) return false;
    now_ = now;
    while (!bytes.empty() && !broken_ && !over_) {
        const auto piece = frames_.cut(bytes);
        if (role_ == role::server && frames_.head()) check_state(*frames_.head());
        if (over_) break;
        const auto taken = nghttp2_session_mem_recv(session_.get(), piece.data(), piece.size());
        rethrow();
        if (taken >= 0) continue;
        broken_ = true;
        if (error_.empty()) error_ = nghttp2_strerror(static_cast<int>(taken));
    }
    return !broken_ && !over_ && !finished();
}

void h2_session::send(std::string& out, std::size_t enough)
{
    while (!thrown_ && out.size() < enough) {
        const std::uint8_t* bytes = nullptr;
        const auto size = nghttp2_session_mem_send(session_.get(), &bytes);
        if (size < 0) broken_ = true;
        if (size <= 0) break;
        out += text_of(bytes, static_cast<std::size_t>(size));
    }
    rethrow();
}

bool h2_session::finished() const noexcept
{
    if (broken_) return true;
    return nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0;
}

stream_id h2_session::request(const field_list& fields, bool ends)
{
    const auto lines = to_nv(fields);
    nghttp2_data_provider body{};
    body.read_callback = callbacks::read_body;
    const auto id = nghttp2_submit_request(session_.get(), nullptr, lines.data(), lines.size(), ends ? nullptr : &body, nullptr);
    if (id > 0) streams_[id];
    return id;
}

void h2_session::interim(stream_id id, const field_list& fields)
{
    const auto lines = to_nv(fields);
    check(nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, id, nullptr, lines.data(), lines.size(), nullptr));
}

void h2_session::answer(stream_id id, const field_list& fields, bool ends)
{
    const auto lines = to_nv(fields);
    nghttp2_data_provider body{};
    body.read_callback = callbacks::read_body;
    check(nghttp2_submit_response(session_.get(), id, lines.data(), lines.size(), ends ? nullptr : &body));
}

void h2_session::enable_connect()
{
    const std::array<nghttp2_settings_entry, 1> entry{{{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}}};
    check(nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, entry.data(), entry.size()));
}

void h2_session::resume(stream_id id)
{
    nghttp2_session_resume_data(session_.get(), id); // not deferred, or gone: nothing to do
}

void h2_session::consume(stream_id id, std::size_t count)
{
    auto* state = find(id);
    if (!state || count == 0) return; // the stream is gone: forget() gave the connection's part back
    count = std::min(count, state->unconsumed);
    state->unconsumed -= count;
    check(nghttp2_session_consume(session_.get(), id, count));
}

void h2_session::reset(stream_id id, std::uint32_t code)
{
    if (!find(id)) return;
    ++settled_resets_;
    check(nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, code));
}

void h2_session::goaway(std::uint32_t code)
{
    const auto last = nghttp2_session_get_last_proc_stream_id(session_.get());
    check(nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, last, code, nullptr, 0));
}

void h2_session::end(h2_code code, std::string why)
{
    if (over_) return;
    over_ = true;
    abused_ = code == h2_code::enhance_your_calm;
    error_ = std::move(why);
    check(nghttp2_session_terminate_session(session_.get(), static_cast<std::uint32_t>(code)));
}

// What nghttp2 lets pass: it keeps no closed streams, and reads no PRIORITY where the scheme of RFC 7540 is off.
void h2_session::check_state(const h2_frame_head& frame)
{
    const auto id = frame.stream;
    if (frame.type == NGHTTP2_PRIORITY && id == 0) end(h2_code::protocol_error, "PRIORITY on stream 0");
    if (frame.dependency == id) end(h2_code::protocol_error, "a stream that depends on itself");
    if (auto* state = find(id)) {
        const bool last = frame.type == NGHTTP2_DATA && (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        state->peer_ended |= last || frame.type == NGHTTP2_RST_STREAM;
        return;
    }
    if (frame.type != NGHTTP2_HEADERS && frame.type != NGHTTP2_DATA) return;
    const auto fault = history_.check(id);
    if (fault == h2_stream_history::fault::ended)
        end(h2_code::stream_closed, "a frame on stream " + std::to_string(id) + ", which has ended");
    else if (fault)
        end(h2_code::protocol_error, "stream " + std::to_string(id) + " comes after a later one");
    else if (frame.type == NGHTTP2_HEADERS && id % 2 == 1 && history_.is_new(id))
        history_.open(id);
}

h2_session::stream_state* h2_session::find(stream_id id) noexcept
{
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : &found->second;
}

void h2_session::forget(stream_id id)
{
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    const auto rest = found->second.unconsumed;
    if (role_ == role::server && found->second.peer_ended) history_.end(id);
    streams_.erase(found);
    if (rest > 0) check(nghttp2_session_consume_connection(session_.get(), rest));
}

void h2_session::take_head(stream_id id, bool ends)
{
    in_head_ = false;
    auto* state = find(id);
    if (!state || state->malformed) return;
    auto fields = std::move(state->fields);
    state->fields.clear();
    const bool too_large = state->list_size > bounds_.max_head;
    // A client may see interim heads first: what has a status is a head, what has none are trailers (nghttp2 saw to it).
    const bool head = role_ == role::server ? !state->headed : !fields.empty() && fields[0].first == ":status";
    if (!head) {
        listener_.on_end(id, std::move(fields));
        return;
    }
    state->headed = true;
    listener_.on_head(id, std::move(fields), ends, too_large);
}

void h2_session::note_malformed(stream_id id)
{
    in_head_ = false;
    auto* state = find(id);
    if (!state || std::exchange(state->malformed, true)) return;
    const auto fields = std::move(state->fields);
    listener_.on_malformed(id, fields);
}

// The peer makes us reset a stream (CVE-2025-8671): it pays as for a reset of its own, and when it does so, not when ours can
// be sent.
void h2_session::pay_reset()
{
    spend(resets_, "streams that had to be reset");
    ++settled_resets_;
}

void h2_session::spend(refilling_budget& budget, const char* what)
{
    if (!budget.spend(now_)) end_abuse(std::string("too many ") + what);
}

void h2_session::check(int returned) const
{
    if (returned == NGHTTP2_ERR_NOMEM) throw std::bad_alloc(); // anything else: the stream or the session is gone, events tell
}

void h2_session::rethrow()
{
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

} // namespace cofferdam::http
