#pragma once

#include "core/bytes.hpp"

#include <algorithm>
#include <array>

namespace cofferdam::nft {

/// What the first octets of a DNS query look like on any port (RFC 1035, 4.1.1): QR=0, opcode QUERY, one question, no answer, no
/// authority record. The ruleset and has_query_shape() compare the same octets.
inline constexpr std::size_t udp_header_size = 8;
inline constexpr std::size_t query_flags_offset = 2; ///< in the message, as the next
inline constexpr std::uint8_t query_flags_mask = 0xF8;
inline constexpr std::size_t query_counts_offset = 4;
inline constexpr std::array<std::uint8_t, 6> query_counts{0, 1, 0, 0, 0, 0};

/// True if a UDP payload begins like a query.
inline bool has_query_shape(byte_view payload) noexcept
{
    if (payload.size() < query_counts_offset + query_counts.size()) return false;
    const auto counts = payload.subspan(query_counts_offset, query_counts.size());
    return (payload[query_flags_offset] & query_flags_mask) == 0 &&
           std::equal(counts.begin(), counts.end(), query_counts.begin());
}

} // namespace cofferdam::nft
