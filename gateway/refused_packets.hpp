#pragma once

#include "nft/io/descriptor.hpp"

namespace cofferdam::gateway {

class worker;

/// Reads what the sealed namespace's ruleset refused (UDP, ICMP, SCTP, ...) from its NFLOG socket, on one worker, and writes
/// one record for each attempt: packets of one flow (protocol, ends) within ten seconds are one attempt. What the kernel
/// could not deliver is counted and reported as one alert record.
void record_refused_packets(worker& w, nft::descriptor log);

} // namespace cofferdam::gateway
