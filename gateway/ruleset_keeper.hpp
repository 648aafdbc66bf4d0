#pragma once

#include "nft/io/capture.hpp"
#include "nft/io/ruleset_watch.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace cofferdam::gateway {

/// Installs the gateway's ruleset, and puts it back when somebody else changes it, as often as it takes. It is not removed at the
/// end: what it captures is refused then.
class ruleset_keeper {
public:
    using maker = std::function<nft::ruleset(nft::queue_encoding)>;

    /// `alert` is called on `context`'s thread, at most once a second. Whatever notifications say, the kernel's rules are looked
    /// at each `interval`. Throws sealed_network_error.
    ruleset_keeper(boost::asio::io_context& context, maker make, std::chrono::milliseconds interval,
                   std::function<void(std::string)> alert);

    /// Throws sealed_network_error.
    void install();
    /// What the kernel let the queue rules be.
    nft::queue_encoding queueing() const noexcept { return queueing_; }
    /// Whether the ruleset stands. Thread-safe.
    bool stands() const noexcept { return stands_; }

private:
    void wait();
    void look();
    void compare_later();
    void compare();
    void note_identity();
    std::string put_back();
    void tell(std::string what);
    void tell_later();

    maker make_;
    std::chrono::milliseconds interval_;
    std::function<void(std::string)> alert_;
    nft::netlink_socket netfilter_;
    nft::ruleset_watch watch_;
    boost::asio::posix::stream_descriptor events_;
    nft::queue_encoding queueing_ = nft::queue_encoding::native;
    std::atomic<bool> stands_{false};
    boost::asio::steady_timer teller_, retry_, comparing_;
    std::optional<nft::ruleset_identity> installed_; // none: it could not be read
    std::chrono::steady_clock::time_point told_{};
    unsigned changes_ = 0; // not told yet
    std::string last_;     // of these: by whom, and what came of it
};

} // namespace cofferdam::gateway
