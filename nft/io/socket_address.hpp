#pragma once

#include "core/ip.hpp"

#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>

namespace cofferdam::nft {

/// Between endpoints and sockaddr. A v4-mapped address (of a socket of both families) reads as the IPv4 address it means.
struct socket_address {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    socket_address() noexcept = default;
    explicit socket_address(const ip_endpoint& end) noexcept
    {
        const auto bytes = end.address.bytes();
        if (end.address.is_v4()) {
            auto& out = *reinterpret_cast<sockaddr_in*>(&storage);
            out.sin_family = AF_INET;
            out.sin_port = htons(end.port);
            std::memcpy(&out.sin_addr, bytes.data(), bytes.size());
            size = sizeof out;
        }
        else {
            auto& out = *reinterpret_cast<sockaddr_in6*>(&storage);
            out.sin6_family = AF_INET6;
            out.sin6_port = htons(end.port);
            std::memcpy(&out.sin6_addr, bytes.data(), bytes.size());
            size = sizeof out;
        }
    }
    sockaddr* raw() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    const sockaddr* raw() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }

    /// errc::unsupported for a family other than these two.
    result<ip_endpoint> endpoint() const noexcept
    {
        if (storage.ss_family == AF_INET) {
            const auto& in = *reinterpret_cast<const sockaddr_in*>(&storage);
            return ip_endpoint{ip_address::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
        }
        if (storage.ss_family != AF_INET6) return errc::unsupported;
        const auto& in = *reinterpret_cast<const sockaddr_in6*>(&storage);
        ip_address::v6_bytes bytes;
        std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
        const auto address = ip_address::v6(bytes);
        return ip_endpoint{IN6_IS_ADDR_V4MAPPED(&in.sin6_addr) ? address.unmapped() : address, ntohs(in.sin6_port)};
    }
};

} // namespace cofferdam::nft
