#pragma once

#include "gateway/http2_stream.hpp"
#include "gateway/upstream_link.hpp"
#include "http/head.hpp"

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

namespace cofferdam::gateway {

class http2_session;

/// One HTTP/2 request of the job, carried to an origin of HTTP/1.1 over a connection of its own or a kept one.
class http1_origin final : public origin_request, public std::enable_shared_from_this<http1_origin> {
public:
    static void forward(std::shared_ptr<http2_session> session, std::shared_ptr<http2_stream> stream);

    http1_origin(std::shared_ptr<http2_session> session, std::shared_ptr<http2_stream> stream);

    void request_ready() override { wake_request_.cancel(); }
    void answer_taken(std::size_t) override { wake_answer_.cancel(); }
    void cancel(std::uint32_t) override;

private:
    asio::awaitable<void> run();
    asio::awaitable<bool> connect();
    asio::awaitable<bool> send_head(bool reused, bool& retry);
    asio::awaitable<void> send_body(std::shared_ptr<http1_origin> self);
    asio::awaitable<reason> read_answer(bool reused, bool& retry);
    asio::awaitable<reason> read_head(http::response_head& head, bool& any_byte);
    asio::awaitable<void> wait_for_room(); ///< until the client took enough of the answer, or cancelled
    asio::awaitable<reason> read_body(const http::response_head& head);
    asio::awaitable<reason> relay_answer();
    bool accepts(const http::response_head& head) const;
    void finish(reason why);

    std::shared_ptr<http2_session> session_;
    std::shared_ptr<http2_stream> stream_;
    upstream_link link_;
    asio::steady_timer wake_request_, wake_answer_;
    std::string key_; // of the WebSocket handshake that HTTP/1.1 needs
    std::string in_;  // read from the origin, not consumed yet
    std::string head_bytes_;
    std::vector<std::uint8_t> block_;
    std::string detail_;
    bool chunked_ = false;
    bool upgrade_ = false;
    bool upgraded_ = false;
    bool sending_ = false;
    bool sent_ = false; // all of the request
    bool cancelled_ = false;
};

} // namespace cofferdam::gateway
