#pragma once

#include "nft/io/sealed_network.hpp"

#include <vector>

namespace cofferdam::gateway {

class worker;

/// Carries the datagrams of `udp://` entries, on one worker. A flow is a client's socket and the destination that it dialled;
/// it is judged at its first datagram, dialled by name (law 3), and ends after limits.udp_idle_timeout. One record each.
void relay_datagrams(worker& w, std::vector<nft::udp_relay> relays);

} // namespace cofferdam::gateway
