#pragma once

#include "core/ip.hpp"

namespace cofferdam::nft {

/// What the client of an accepted TCP connection dialled. Where the flow was translated (capture_method::redirect) that is
/// SO_ORIGINAL_DST (IP6T_SO_ORIGINAL_DST), else (tproxy) the socket's own address. The system's error code if neither is known;
/// errc::unsupported if the socket is neither IPv4 nor IPv6.
result<ip_endpoint> original_dst(int socket) noexcept;

} // namespace cofferdam::nft
