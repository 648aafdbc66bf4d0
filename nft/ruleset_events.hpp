#pragma once

#include "core/bytes.hpp"

#include <cstdint>
#include <string>

namespace cofferdam::nft {

/// What one datagram of the nftables notifications (netlink group NFNLGRP_NFTABLES) says of one table.
struct ruleset_events {
    bool changed = false;   ///< somebody but the asker changed the table, or something in it
    bool committed = false; ///< the end of one change of rulesets (NFT_MSG_NEWGEN)
    std::string process;    ///< who committed it, as the kernel names the process; empty where it does not
    std::int64_t pid = 0;   ///< 0: unknown
};

/// `own_port`: netlink port of the asker, whose changes are not told. errc::malformed if the framing is broken.
result<ruleset_events> decode_ruleset_events(byte_view datagram, const std::string& table, std::uint32_t own_port);

} // namespace cofferdam::nft
