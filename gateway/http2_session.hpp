#pragma once

#include "gateway/http2_connection.hpp"
#include "gateway/http2_stream.hpp"
#include "gateway/upstream_link.hpp"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace cofferdam::gateway {

class http1_origin;
class http2_origin;

/// The HTTP/2 requests of one downstream connection. They go to one host: over one HTTP/2 connection, or, where the origin
/// speaks HTTP/1.1 only, over as many of those as there are requests at once.
class http2_session final : public http::h2_listener, public std::enable_shared_from_this<http2_session> {
public:
    /// `link` is the upstream connection that TLS was already verified on; without a stream the session dials by itself
    /// (prior knowledge on a plain connection).
    http2_session(std::shared_ptr<flow> owner, std::unique_ptr<tls::stream> downstream, upstream_link link, bool secure);
    ~http2_session() override;

    /// From now on a request that the policy allows is answered with this failure: the upstream can't be had.
    void fail_with(reason why, std::string detail);

    asio::awaitable<void> run();

    // For its streams and origins

    flow& owner() noexcept { return *owner_; }
    std::string scheme() const { return secure_ ? "https" : "http"; }
    bool secure() const noexcept { return secure_; }
    const http::limits& limits() const { return owner_->job().settings().http; }
    http::h2_session& downstream() noexcept { return downstream_.session(); }
    /// Lets both writers look for something to write.
    void flush() noexcept;
    /// The policy allows it.
    void forward(std::shared_ptr<http2_stream> stream);
    void refuse_later(std::shared_ptr<http2_stream> stream);
    /// The origin takes no new requests.
    void origin_goes_away(std::uint32_t code);
    void origin_takes_connect();
    /// A kept HTTP/1.1 connection, or one without a stream.
    upstream_link take_idle_link();
    /// For a connection to a server: the place of the client's connection if no other has it, else a further one, or null.
    std::shared_ptr<void> place_for_link();
    void keep_idle_link(upstream_link link);

    void on_head(http::stream_id id, http::field_list fields, bool ends, bool too_large) override;
    void on_malformed(http::stream_id id, const http::field_list& fields) override;
    void on_refused(http::stream_id id) override;
    void on_data(http::stream_id id, std::string_view data) override;
    void on_end(http::stream_id id, http::field_list trailers) override;
    void on_sent_end(http::stream_id id) override;
    void on_closed(http::stream_id id, std::uint32_t code) override;
    void on_goaway(std::uint32_t code) override;
    void on_settings(bool) override {}
    http::body_piece take_body(http::stream_id id, std::span<std::uint8_t> into) override;

private:
    enum class path { none, dialling, http1, http2 };

    asio::awaitable<void> dial(std::string host, std::uint16_t port);
    void adopt(upstream_link link);
    void start(std::shared_ptr<http2_stream> stream);
    void after_block();
    void arm_limit();
    void on_limit();
    void leave(std::uint32_t code);
    void end_streams(reason why);
    void record_connection();
    std::shared_ptr<http2_stream> find(http::stream_id id) const;
    std::shared_ptr<http2_stream> make_stream(http::stream_id id);

    std::shared_ptr<flow> owner_;
    bool secure_;
    upstream_link link_; // not adopted yet
    http2_connection downstream_;
    deadline limit_;
    std::unordered_map<http::stream_id, std::shared_ptr<http2_stream>> streams_;
    std::vector<std::shared_ptr<http2_stream>> waiting_, refusals_;
    path path_ = path::none;
    std::shared_ptr<http2_origin> origin_;
    std::vector<upstream_link> idle_links_;
    std::shared_ptr<void> own_place_ = std::make_shared<char>(); // the flow's, for one link; a link that has it holds a copy
    std::optional<upstream_link> failure_;
    std::string host_; // what the upstream is for
    std::size_t served_ = 0;
    bool refused_only_ = true; // no request of this connection was allowed
    bool in_head_ = false;
    bool idle_ = false;
    bool leaving_ = false; // GOAWAY was sent
    bool timed_out_ = false;
    bool origin_gone_ = false; // it takes no new requests
};

} // namespace cofferdam::gateway
