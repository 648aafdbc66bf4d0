#pragma once

#include "nft/io/descriptor.hpp"

#include <functional>
#include <memory>

namespace cofferdam {
class ip_address;
}

namespace cofferdam::gateway {

class worker;

/// Whose job a client's packets belong to; the worker of `home`'s loop.
using worker_of = std::function<std::shared_ptr<worker>(const ip_address& client)>;

/// Reads what the ruleset refused (UDP, ICMP, SCTP, ...) from its NFLOG socket, on one worker, and writes
/// one record for each attempt: packets of one flow (protocol, ends) within ten seconds are one attempt. What the kernel
/// could not deliver is counted and reported as one alert record of `home`'s job. Without `find` all packets are that job's.
/// What is returned ends it, on the loop's thread; else it ends with the loop.
std::function<void()> record_refused_packets(worker& home, nft::descriptor log, worker_of find = {});

} // namespace cofferdam::gateway
