#pragma once

#include "core/ip.hpp"

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cofferdam::dns {

inline constexpr std::size_t max_hosts_file = 1U << 20; ///< octets read of a hosts file; the rest is not looked at

/// Addresses by canonical name, in the file's order.
using hosts_table = std::unordered_map<std::string, std::vector<ip_address>>;

/// hosts(5): an address, then names. Lines that are something else are skipped, as the C library does; addresses with a zone too.
hosts_table parse_hosts(std::string_view text);

} // namespace cofferdam::dns
