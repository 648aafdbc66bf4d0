#pragma once

#include "gateway/byte_queue.hpp"
#include "gateway/deadline.hpp"
#include "gateway/exchange.hpp"
#include "http/forward.hpp"
#include "http/h2_session.hpp"

#include <memory>
#include <optional>
#include <string>

namespace cofferdam::gateway {

class http2_session;

/// The origin's side of one exchange. All calls are on the worker's thread.
class origin_request {
public:
    virtual ~origin_request() = default;
    /// More of the request's body, or its end, can be had from http2_stream::take_request.
    virtual void request_ready() = 0;
    /// So many bytes of the answer went on to the client: as many more may come.
    virtual void answer_taken(std::size_t count) = 0;
    /// The client has no use for it any more.
    virtual void cancel(std::uint32_t code) = 0;
};

/// One HTTP/2 request of the job with its answer: judged, forwarded and recorded on its own. What one side sends waits here
/// for the other; flow control keeps that within http2_limits::stream_window each way.
class http2_stream final : public std::enable_shared_from_this<http2_stream> {
public:
    http2_stream(http2_session& session, http::stream_id id); ///< for make()
    static std::shared_ptr<http2_stream> make(http2_session& session, http::stream_id id);

    exchange& what() noexcept { return exchange_; }
    http::stream_id id() const noexcept { return id_; }
    /// The request as it may be sent. Views live as long as the stream.
    http::forward_request forwarded();
    bool reads_trailers() const noexcept;
    /// END_STREAM came with the head.
    bool has_body() const noexcept { return has_body_; }

    // From the client's side

    void on_request(http::field_list fields, bool ends, bool too_large);
    void on_malformed(const http::field_list& fields);
    void on_refused();
    void on_request_data(std::string_view data);
    void on_request_end(http::field_list trailers);
    void on_sent_end();
    void on_closed(std::uint32_t code, reason why);
    http::body_piece take_answer(std::span<std::uint8_t> into);
    /// Answers in the origin's place, once what has arrived with the request is known.
    void send_refusal();

    // From the origin's side

    /// False: it ended before there was a connection to an origin.
    [[nodiscard]] bool wants_origin() const noexcept { return !closed_ && !refused_ && !cut_; }
    void start(std::shared_ptr<origin_request> origin);
    http::body_piece take_request(std::span<std::uint8_t> into);
    /// Something goes to the origin now.
    void note_sent() { exchange_.note_sent(); }
    /// False: too many of them.
    bool on_interim(const http::response_head& head);
    void on_answer(const http::response_head& head, bool ends);
    void on_answer_data(std::string_view data);
    void on_answer_end(http::field_list trailers);
    /// No answer, or no more of it. `code`: what the origin reset its stream with.
    void fail(reason why, std::string detail, std::optional<std::uint32_t> code = {});
    /// The origin has ended its side and wants no more of the request.
    void on_origin_done();
    std::size_t answer_waiting() const noexcept { return answer_.size(); }
    bool request_waiting() const noexcept { return !request_.empty() || request_ended_; }

private:
    void refuse(exchange::answer answer);
    void refuse_midway(exchange::answer answer);
    void refuse_malformed(const http::fault& why);
    void on_time_out();
    bool waits_for_body() const noexcept;
    void progress();
    void finish(reason why, std::string detail = {});
    void drop_origin(std::uint32_t code);
    void reset(std::uint32_t code);

    http2_session& session_;
    const http::stream_id id_;
    exchange exchange_;
    deadline limit_;
    std::shared_ptr<origin_request> origin_;
    std::optional<exchange::answer> refusal_;
    std::string target_; // what the forwarded request views
    byte_queue request_, answer_;
    http::field_list request_trailers_, answer_trailers_;
    std::optional<std::uint32_t> cut_; // what the stream is reset with once what has come of the answer is out
    unsigned interim_ = 0;
    bool has_body_ = true;
    bool request_ended_ = false;
    bool refused_ = false; // the gateway answers
    bool waited_for_body_ = false;
    bool answered_ = false;
    bool answer_ended_ = false;
    bool sent_end_ = false;
    bool origin_done_ = false;
    bool tunnel_ = false; // an open WebSocket
    bool closed_ = false;
};

} // namespace cofferdam::gateway
