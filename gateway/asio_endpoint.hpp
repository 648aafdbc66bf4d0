#pragma once

#include "core/ip.hpp"

#include <boost/asio/ip/tcp.hpp>

namespace cofferdam::gateway {

inline ip_endpoint from_asio(const boost::asio::ip::tcp::endpoint& where)
{
    const auto address = where.address();
    if (address.is_v4()) return {ip_address::v4(address.to_v4().to_bytes()), where.port()};
    return {ip_address::v6(address.to_v6().to_bytes()), where.port()};
}

} // namespace cofferdam::gateway
