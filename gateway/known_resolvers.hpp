#pragma once

#include "core/ip.hpp"

#include <string_view>

namespace cofferdam::gateway {

/// True if `host`, a canonical name or an address literal, is one of the public resolvers of known_resolvers.txt.
bool is_known_resolver(std::string_view host);
bool is_known_resolver(const ip_address& address);

} // namespace cofferdam::gateway
