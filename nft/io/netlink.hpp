#pragma once

#include "core/bytes.hpp"
#include "nft/encode.hpp"
#include "nft/io/descriptor.hpp"
#include "nft/netlink_reader.hpp"

#include <functional>
#include <string>

namespace cofferdam::nft {

/// An error code of the kernel and the request that it is about ("rule '…' of chain judged").
struct netlink_outcome {
    error_code error;    ///< false: done
    std::string request; ///< empty if there is no error
};

/// A netlink(7) socket in the network namespace of the thread that opened it; stays there for its lifetime. Not thread-safe.
class netlink_socket {
public:
    /// `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER, NETLINK_SOCK_DIAG. Close-on-exec.
    static result<netlink_socket> open(int protocol);
    explicit netlink_socket(descriptor socket) noexcept : socket_(std::move(socket)) {}

    int number() const noexcept { return socket_.number(); }
    descriptor release() noexcept { return std::move(socket_); }

    /// Sends one message that asks for an acknowledgement (NLM_F_ACK) and reads it. The kernel answers before send returns, so
    /// this never waits; errc::timed_out if there is no answer all the same.
    error_code request(byte_view message);
    /// Sends one message that asks for a dump (NLM_F_DUMP) and gives each datagram of the answer to `take`, until that says
    /// that it ended, or an error. Never waits, as request().
    error_code dump(byte_view message, const std::function<result<dump_state>(byte_view datagram)>& take);
    /// Sends a batch and reads the acknowledgement of each request. The first refusal is the outcome; the kernel has then
    /// applied nothing.
    netlink_outcome commit(const netlink_batch& batch);

private:
    error_code send_all(byte_view bytes);
    descriptor socket_;
};

/// errno as an error_code.
error_code last_error() noexcept;

} // namespace cofferdam::nft
