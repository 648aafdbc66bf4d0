#pragma once

#include "gateway/http2_connection.hpp"
#include "gateway/http2_stream.hpp"

#include <memory>
#include <unordered_map>

namespace cofferdam::gateway {

class http2_session;

/// The one HTTP/2 connection to the origin of a session, with a stream for each of the session's.
class http2_origin final : public http::h2_listener, public std::enable_shared_from_this<http2_origin> {
public:
    http2_origin(http2_session& owner, std::unique_ptr<tls::stream> stream);

    /// Starts reading and writing; the coroutines keep `owner`, which this belongs to, alive.
    void start(std::shared_ptr<http2_session> owner);
    void forward(std::shared_ptr<http2_stream> stream);
    /// Nothing more is wanted: says so and closes.
    void leave();
    void wake() noexcept { connection_.wake(); }
    http::h2_session& session() noexcept { return connection_.session(); }

    void on_head(http::stream_id id, http::field_list fields, bool ends, bool too_large) override;
    void on_malformed(http::stream_id id, const http::field_list& fields) override;
    void on_refused(http::stream_id) override {}
    void on_data(http::stream_id id, std::string_view data) override;
    void on_end(http::stream_id id, http::field_list trailers) override;
    void on_sent_end(http::stream_id) override {}
    void on_closed(http::stream_id id, std::uint32_t code) override;
    void on_goaway(std::uint32_t code) override;
    void on_settings(bool enables_connect) override;
    http::body_piece take_body(http::stream_id id, std::span<std::uint8_t> into) override;

private:
    class request;
    struct entry {
        std::shared_ptr<http2_stream> stream;
        bool answer_ended = false;
    };

    asio::awaitable<void> read(std::shared_ptr<http2_session> keep);
    asio::awaitable<void> write(std::shared_ptr<http2_session> keep);
    entry* find(http::stream_id id);
    void malformed(http::stream_id id, std::string detail);
    void end(std::string detail);

    http2_session& owner_;
    http2_connection connection_;
    std::unordered_map<http::stream_id, entry> streams_;
    bool leaving_ = false;    // we want no more
    bool going_away_ = false; // it wants no more
    bool takes_connect_ = false;
    bool gone_ = false;
};

} // namespace cofferdam::gateway
