#pragma once

#include "nft/io/capture.hpp"
#include "nft/io/ruleset_watch.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cofferdam::gateway {

/// Installs the gateway's ruleset, and puts it back when somebody else changes it, as often as it takes. It is not removed at the
/// end: what it captures is refused then. It ends on `context`'s thread, or after it.
class ruleset_keeper {
public:
    using maker = std::function<nft::ruleset(nft::queue_encoding)>;

    /// `alert` is called on `context`'s thread, at most once a second. Whatever notifications say, the kernel's rules are looked
    /// at each `interval`. Throws sealed_network_error.
    ruleset_keeper(boost::asio::io_context& context, maker make, std::chrono::milliseconds interval,
                   std::function<void(std::string)> alert);
    /// Of the network namespace of `sockets`.
    ruleset_keeper(boost::asio::io_context& context, maker make, std::chrono::milliseconds interval,
                   std::function<void(std::string)> alert, nft::ruleset_sockets sockets);

    /// Throws sealed_network_error.
    void install();
    /// Gives some of its chains new rules; what `make` says has them already. What somebody else changed before is put back
    /// first. Waits for the context's thread, which is another one and runs. Throws sealed_network_error.
    void replace(std::vector<nft::chain> chains);
    /// What the kernel let the queue rules be.
    nft::queue_encoding queueing() const noexcept { return queueing_; }
    /// Whether the ruleset stands. Thread-safe.
    bool stands() const noexcept { return stands_; }

private:
    void wait();
    void look();
    void compare_later();
    bool compare();
    void note_identity();
    std::string put_back();
    void tell(std::string what);
    void tell_later();
    std::weak_ptr<void> alive() const noexcept { return alive_; }

    maker make_;
    std::chrono::milliseconds interval_;
    std::function<void(std::string)> alert_;
    nft::ruleset_sockets sockets_;
    boost::asio::posix::stream_descriptor events_;
    nft::queue_encoding queueing_ = nft::queue_encoding::native;
    std::atomic<bool> stands_{false};
    boost::asio::steady_timer teller_, retry_, comparing_;
    std::optional<nft::ruleset_identity> installed_; // none: it could not be read
    std::chrono::steady_clock::time_point told_{};
    unsigned changes_ = 0;                                   // not told yet
    std::string last_;                                       // of these: by whom, and what came of it
    std::shared_ptr<void> alive_ = std::make_shared<char>(); // what was about to run when this ended, sees that it did
};

} // namespace cofferdam::gateway
