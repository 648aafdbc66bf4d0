#pragma once

#include "core/ip.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cofferdam::nft {

/// Bytes kept of a refused datagram that looks like DNS.
inline constexpr std::size_t kept_payload = 256;

/// A packet that the ruleset refused, as the kernel logged it (NFLOG).
struct refused_packet {
    std::uint8_t protocol = 0;             ///< IANA number; `nft::protocol_name` for the record
    ip_endpoint source, destination;       ///< port 0 where the protocol has none, or for a later fragment
    std::uint32_t length = 0;              ///< of the whole packet, bytes
    std::string prefix;                    ///< of the log rule: nft::refused_prefix or nft::foreign_prefix
    std::optional<std::uint32_t> uid;      ///< of the sending socket, in the user namespace of the netlink socket's maker
    std::uint32_t mark = 0;                ///< of the packet; 0: none
    std::optional<std::uint32_t> sequence; ///< counts the packets of the group, lost ones too
    std::vector<std::uint8_t>
        payload; ///< first bytes of UDP to a port of DNS or its relatives, type and code of ICMP; else empty
};

/// What one datagram of an NFLOG socket held.
struct log_batch {
    std::vector<refused_packet> packets;
    unsigned unreadable = 0; ///< messages of the log whose packet could not be parsed: count them, they were refused too
};

/// Decodes one datagram (linux/netfilter/nfnetlink_log.h): any number of NFULNL_MSG_PACKET messages. Other messages
/// (acknowledgements, NLMSG_DONE) are passed over. errc::malformed if the framing is broken; what came before is lost.
result<log_batch> decode_log(byte_view datagram);

/// Finds from the sequence numbers how many packets the kernel could not deliver, exactly: it numbers them before it knows
/// whether the receive buffer has room.
class log_sequence {
public:
    /// Packets missing right before this one.
    std::uint32_t observe(std::uint32_t sequence) noexcept
    {
        const std::uint32_t gap = sequence - next_; // the kernel starts at 0; wraps at 2^32 as it does
        next_ = sequence + 1;
        lost_ += gap;
        return gap;
    }
    std::uint64_t lost() const noexcept { return lost_; }

private:
    std::uint32_t next_ = 0;
    std::uint64_t lost_ = 0;
};

} // namespace cofferdam::nft
