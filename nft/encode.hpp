#pragma once

#include "nft/ruleset.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cofferdam::nft {

/// A netfilter batch (NFNL_MSG_BATCH_BEGIN … END): the kernel applies all of it or nothing.
struct netlink_batch {
    std::vector<std::uint8_t> bytes;
    /// Request n of the batch has sequence number `first_sequence` + n and is described by `requests[n]`; the kernel answers
    /// each with one NLMSG_ERROR (0: acknowledged).
    std::uint32_t first_sequence = 1;
    std::vector<std::string> requests;
};

/// The batch that creates the table with all its chains and rules, replacing a table of that name.
/// errc::too_large if a name, a prefix or an interface is longer than the kernel takes; errc::malformed if a rule makes no
/// sense (a prefix longer than the address, a port match that is neither TCP nor UDP, a jump without a chain).
result<netlink_batch> encode_ruleset(const ruleset& set);

/// The batch that empties these chains of the table, which are there, and gives them these rules. Errors as of encode_ruleset().
result<netlink_batch> encode_rules(const std::string& table, const std::vector<chain>& chains);

/// The batch that deletes the table. Fails with ENOENT in the kernel if there is none.
result<netlink_batch> encode_removal(const std::string& table);

/// The expressions of a rule as libnftnl prints them, each in brackets ("[ meta load l4proto => reg 1 ]…"): for tests and logs.
result<std::string> describe_encoding(const rule& r);

} // namespace cofferdam::nft
