#pragma once

#include "gateway/control_api.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cofferdam::gateway {

/// Which file a path is the name of.
struct file_identity {
    std::uint64_t device = 0, number = 0;
    friend bool operator==(const file_identity&, const file_identity&) = default;
};

/// A listening Unix socket, its file, and the group that may use it.
struct control_socket {
    int descriptor = -1; ///< owned by whoever gets this
    std::string path;
    std::optional<std::uint32_t> group;
    file_identity file;
};
/// A socket file that an earlier gateway left is replaced, unless one still answers there. `group`: by name, will also own the
/// file; empty: none. Throws std::runtime_error.
control_socket open_control_socket(const std::string& path, const std::string& group);

/// The control API on a Unix socket (HTTP/1.1), for those whom the kernel says they are: see may_control. On one thread, bounded:
/// 64 connections, 8 MiB a request, 30 s to send it. Others, 8 at once, are refused before their request's body is read.
class control_server {
public:
    /// `on_failure` is told of exceptions, each of which ended one connection.
    control_server(boost::asio::io_context& context, control_api& api, control_socket listening,
                   std::function<void(std::string_view)> on_failure);
    ~control_server(); ///< removes the socket file, if it is still its own
    control_server(const control_server&) = delete;
    control_server& operator=(const control_server&) = delete;

    void start();
    void stop();

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace cofferdam::gateway
