#pragma once

#include "core/ip.hpp"

#include <string>
#include <vector>

namespace cofferdam::dns {

/// What a host name stands for upstream.
struct host_addresses {
    std::vector<ip_address> addresses; ///< IPv4 first
    std::vector<std::string> aliases;  ///< the targets of CNAMEs that led to them, canonical: for the policy to judge
};

} // namespace cofferdam::dns
