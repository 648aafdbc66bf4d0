#pragma once

#include "nft/io/netlink.hpp"
#include "nft/ruleset_events.hpp"

#include <optional>

namespace cofferdam::nft {

/// Tells who else changed our table in this network namespace. Non-blocking.
class ruleset_watch {
public:
    /// `own`: the socket through which we change it. Throws sealed_network_error.
    explicit ruleset_watch(const netlink_socket& own);
    /// `subscribed`: what release() gave, perhaps in another process; `own`: the socket that went with it.
    ruleset_watch(descriptor subscribed, const netlink_socket& own);
    descriptor release() noexcept { return std::move(socket_); }

    int number() const noexcept { return socket_.number(); } ///< readable when take() has something
    /// Reads all that there is; the last change that was committed by somebody else. Where notifications were lost, one may have
    /// been: that is a change by nobody known.
    std::optional<ruleset_events> take();

private:
    void exclude(const netlink_socket& own);

    descriptor socket_;
    std::uint32_t own_port_ = 0;
    bool pending_ = false; // changed, and not yet told by whom
};

/// Through which a ruleset is changed and watched; of one network namespace.
struct ruleset_sockets {
    netlink_socket netfilter;
    ruleset_watch watch;
};

/// In the network namespace of the calling thread. Throws sealed_network_error.
ruleset_sockets open_ruleset_sockets();

} // namespace cofferdam::nft
