#pragma once

#include "core/bytes.hpp"
#include "nft/netlink_reader.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cofferdam::nft {

/// What tells one state of a table in the kernel from every other: the numbers that the kernel gave to table, chains and rules
/// when they were made, their order, and what can be changed of them in place (flags, hooks, policies). Counters are no part of
/// it. Read from the answers to identity_requests().
class ruleset_identity {
public:
    /// Takes one datagram of an answer, and says whether there are more. errc::malformed if the framing is broken,
    /// errc::need_more if somebody changed rulesets meanwhile and all must be asked again (told at the end), the kernel's error
    /// if it refused.
    result<dump_state> add(byte_view datagram, const std::string& table);

    bool operator==(const ruleset_identity&) const noexcept = default;

private:
    std::string seen_;
    bool interrupted_ = false;
};

/// The requests (dumps of tables, chains and rules of family inet, in this order).
std::vector<std::vector<std::uint8_t>> identity_requests(const std::string& table);

} // namespace cofferdam::nft
