#pragma once

#include "nft/expression.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cofferdam::nft {

/// Matches from left to right; the first that fails ends the rule. Statements act in place.
using rule = std::vector<expression>;

enum class chain_kind : std::uint8_t { filter, nat };
enum class chain_hook : std::uint8_t { prerouting = 0, input = 1, forward = 2, output = 3, postrouting = 4 }; ///< NF_INET_*
enum class chain_policy : std::uint8_t { drop = 0, accept = 1 }; ///< NF_DROP, NF_ACCEPT

/// Priorities with names (linux/netfilter_ipv4.h).
namespace priority {
inline constexpr std::int32_t raw = -300;
inline constexpr std::int32_t mangle = -150;
inline constexpr std::int32_t before_destination_nat = -125; ///< after defragmentation (-400) and connection tracking (-200)
inline constexpr std::int32_t before_other_nat = -101;
inline constexpr std::int32_t destination_nat = -100;
inline constexpr std::int32_t after_destination_nat = -90; ///< and before the routing decision
inline constexpr std::int32_t filter = 0;
} // namespace priority

/// Where a base chain is attached; a chain without one is reached by jump and go_to only.
struct chain_base {
    chain_kind kind{};
    chain_hook hook{};
    std::int32_t order = priority::filter;
    chain_policy policy = chain_policy::drop;
    friend bool operator==(const chain_base&, const chain_base&) = default;
};

struct chain {
    std::string name;
    std::optional<chain_base> base;
    std::vector<rule> rules;
    friend bool operator==(const chain&, const chain&) = default;
};

/// One table of family inet. A value: built, compared, printed and tested without a kernel.
struct ruleset {
    std::string table;
    std::vector<chain> chains;
    friend bool operator==(const ruleset&, const ruleset&) = default;
};

/// The rule as `nft list ruleset` (1.0.6) shows it, on one line.
std::string to_string(const rule& r);

/// The table as `nft list ruleset` (1.0.6) shows it; `nft -f` reads it back. Counters show as zero.
std::string to_string(const ruleset& set);

/// The protocol as nft and the audit records name it: "tcp", "icmpv6", "sctp", …; otherwise the decimal number.
std::string protocol_name(std::uint8_t number);

} // namespace cofferdam::nft
