#pragma once

#include "nft/conntrack.hpp"
#include "nft/io/descriptor.hpp"

namespace cofferdam::nft {

/// Asks connection tracking for the marks of flows in the network namespace of its maker. Needs CAP_NET_ADMIN. Not thread-safe.
class flow_marks {
public:
    flow_marks(); ///< throws sealed_network_error

    /// The kernel answers before the call returns: it never waits. Errors as of decode_flow_mark().
    result<std::uint32_t> find(const flow_query& query);

private:
    descriptor socket_;
    std::uint32_t sequence_ = 0;
};

} // namespace cofferdam::nft
