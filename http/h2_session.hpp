#pragma once

#include "core/bytes.hpp"
#include "http/field_list.hpp"
#include "http/h2_budget.hpp"
#include "http/h2_frame_cutter.hpp"
#include "http/h2_stream_history.hpp"
#include "http/limits.hpp"
#include "http/stream_id.hpp"

#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

struct nghttp2_session;

namespace cofferdam::http {

/// RFC 9113, 7: the error codes that the gateway uses by name; others pass through as numbers.
enum class h2_code : std::uint32_t {
    no_error = 0,
    protocol_error = 1,
    internal_error = 2,
    stream_closed = 5,
    refused_stream = 7,
    cancel = 8,
    enhance_your_calm = 11,
};

/// What became of bytes that a stream was asked for.
struct body_piece {
    std::size_t size = 0;
    bool ends = false;                    ///< nothing follows but `trailers`
    const field_list* trailers = nullptr; ///< null or empty: none; must live until take_body has returned to the session
};

/// What happens on a connection. Called from within receive() and send(); may call every other member of the session.
class h2_listener {
public:
    virtual ~h2_listener() = default;

    /// A request (server), or an interim or final answer (client). `too_large`: fields beyond limits::max_head were dropped.
    virtual void on_head(stream_id stream, field_list fields, bool ends, bool too_large) = 0;
    /// The peer broke RFC 9113 inside a request or answer; the stream is being reset. `fields`: those read until then.
    virtual void on_malformed(stream_id stream, const field_list& fields) = 0;
    /// A request beyond http2_limits::max_streams, unread.
    virtual void on_refused(stream_id stream) = 0;
    /// Counts against both windows until consume().
    virtual void on_data(stream_id stream, std::string_view data) = 0;
    /// END_STREAM, after the head. `trailers` may be empty.
    virtual void on_end(stream_id stream, field_list trailers) = 0;
    /// Everything of ours, END_STREAM included, has been taken by send().
    virtual void on_sent_end(stream_id stream) = 0;
    /// The stream is gone. `code`: 0, or the error of the RST_STREAM, whoever sent it.
    virtual void on_closed(stream_id stream, std::uint32_t code) = 0;
    virtual void on_goaway(std::uint32_t code) = 0;
    /// The peer's settings have come: whether it takes extended CONNECT (RFC 8441).
    virtual void on_settings(bool enables_connect) = 0;
    /// Fill `into` with what is to be sent on the stream. Nothing and no end: asked again after resume().
    virtual body_piece take_body(stream_id stream, std::span<std::uint8_t> into) = 0;
};

/// One HTTP/2 connection (RFC 9113) on nghttp2, without I/O: received bytes in, events out; actions in, bytes to send out.
/// Neither push, nor priorities, nor h2c upgrade. What an abusive peer makes it do is paid from budgets; when one is empty the
/// connection ends with ENHANCE_YOUR_CALM. Exceptions of the listener leave receive() and send().
class h2_session {
public:
    enum class role : std::uint8_t { server, client };
    using time_point = refilling_budget::clock::time_point;

    /// `listener` must outlive the session. `connect_protocol`: a server that offers extended CONNECT from the start.
    /// Throws std::bad_alloc.
    h2_session(role as, const limits& bounds, h2_listener& listener, bool connect_protocol = false);
    ~h2_session();
    h2_session(const h2_session&) = delete;
    h2_session& operator=(const h2_session&) = delete;

    /// False: the connection is over, send what send() still gives and close. error() says why.
    bool receive(byte_view bytes, time_point now);
    /// Appends what is to be sent, until there is no more or `out` has `enough` bytes.
    void send(std::string& out, std::size_t enough);
    /// Nothing more will come or go.
    bool finished() const noexcept;
    /// What the peer did wrong, for a person; empty: nothing.
    const std::string& error() const noexcept { return error_; }
    /// A budget of the peer's is spent.
    bool abused() const noexcept { return abused_; }
    /// A header block has begun and is not complete.
    bool in_head() const noexcept { return in_head_; }
    /// The connection can't be used any more: its framing or compression is broken.
    bool broken() const noexcept { return broken_; }

    /// Client. A negative number: no more streams on this connection.
    stream_id request(const field_list& fields, bool ends);
    /// Server.
    void interim(stream_id stream, const field_list& fields);
    void answer(stream_id stream, const field_list& fields, bool ends);
    /// Server: from now on extended CONNECT is taken.
    void enable_connect();

    void resume(stream_id stream);
    /// Received body bytes went elsewhere: the peer may send as many more.
    void consume(stream_id stream, std::size_t count);
    void reset(stream_id stream, std::uint32_t code);
    void reset(stream_id stream, h2_code code) { reset(stream, static_cast<std::uint32_t>(code)); }
    /// No new streams of the peer; those under way go on.
    void goaway(std::uint32_t code);
    /// At once, with ENHANCE_YOUR_CALM.
    void end_abuse(std::string why) { end(h2_code::enhance_your_calm, std::move(why)); }

private:
    struct callbacks;
    struct stream_state {
        field_list fields;
        std::size_t list_size = 0; // RFC 9113, 6.5.2
        std::size_t unconsumed = 0;
        bool headed = false; // a final head was given to the listener
        bool malformed = false;
        bool peer_ended = false; // END_STREAM or RST_STREAM came
    };
    struct session_delete {
        void operator()(nghttp2_session* session) const noexcept;
    };

    void submit_settings(role as, bool connect_protocol);
    stream_state* find(stream_id id) noexcept;
    void forget(stream_id id);
    void take_head(stream_id id, bool ends);
    void check_state(const h2_frame_head& frame);
    void end(h2_code code, std::string why);
    void note_malformed(stream_id id);
    void pay_reset();
    void spend(refilling_budget& budget, const char* what);
    void check(int returned) const;
    void rethrow();

    h2_listener& listener_;
    limits bounds_;
    role role_;
    std::unique_ptr<nghttp2_session, session_delete> session_;
    std::unordered_map<stream_id, stream_state> streams_;
    refilling_budget resets_, idle_frames_;
    time_point now_{};
    std::size_t settled_resets_ = 0; // RST_STREAM still to be sent that are paid for, or not the peer's doing
    std::string error_;
    std::exception_ptr thrown_;
    h2_frame_cutter frames_;
    h2_stream_history history_; // a server's: of the peer's streams
    bool over_ = false;         // the peer was told so by a GOAWAY with an error
    bool abused_ = false;
    bool broken_ = false;
    bool in_head_ = false;
};

} // namespace cofferdam::http
