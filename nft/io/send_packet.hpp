#pragma once

#include "core/ip.hpp"

namespace cofferdam::nft {

/// Sends a whole IP packet through a raw socket of sealed_descriptors (answers_v4, answers_v6: that of the packet's family) to
/// `destination`, which its header names too. Without waiting.
error_code send_packet(int socket, byte_view packet, const ip_address& destination) noexcept;

} // namespace cofferdam::nft
