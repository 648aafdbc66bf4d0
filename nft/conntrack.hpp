#pragma once

#include "core/ip.hpp"

#include <cstdint>
#include <vector>

namespace cofferdam::nft {

/// A tracked flow, by the ends that its answers have (linux/netfilter/nfnetlink_conntrack.h, CTA_TUPLE_REPLY): connection
/// tracking has one flow at most for them.
struct flow_query {
    std::uint8_t transport = 6; ///< IPPROTO_TCP or IPPROTO_UDP
    ip_endpoint from, to;       ///< of the answers: the accepted socket's own end, and its peer
};

/// The request as one netlink message. errc::unsupported if the ends are of two families.
result<std::vector<std::uint8_t>> encode_flow_query(const flow_query& query, std::uint32_t sequence);

/// The mark of the flow that the request with that sequence number asked for; 0: it has none. errc::not_found if there is no such
/// flow; errc::closed if the datagram holds answers to other requests only (read on); the kernel's own error code for its
/// refusals; errc::malformed.
result<std::uint32_t> decode_flow_mark(byte_view datagram, std::uint32_t sequence) noexcept;

} // namespace cofferdam::nft
