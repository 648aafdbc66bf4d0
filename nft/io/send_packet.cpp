#include "nft/io/send_packet.hpp"

#include "nft/io/netlink.hpp"
#include "nft/io/socket_address.hpp"

#include <array>

namespace cofferdam::nft {
namespace {

constexpr int how = MSG_DONTWAIT | MSG_NOSIGNAL;

socket_address address_of(const ip_address& destination) noexcept
{
    return socket_address({destination, 0}); // a raw socket of IPv6 wants no port
}

} // namespace

error_code send_packet(int socket, byte_view packet, const ip_address& destination) noexcept
{
    const auto to = address_of(destination);
    const auto sent = ::sendto(socket, packet.data(), packet.size(), how, to.raw(), to.size);
    return sent < 0 ? last_error() : error_code{};
}

void packet_batch::add(byte_view packet, const ip_address& destination)
{
    if (size_ == max_packets) flush();
    if (size_ == packets_.size()) packets_.emplace_back();
    auto& place = packets_[size_++];
    place.bytes.assign(packet.begin(), packet.end());
    place.destination = destination;
}

void packet_batch::flush() noexcept
{
    std::array<mmsghdr, max_packets> messages{};
    std::array<iovec, max_packets> parts{};
    std::array<socket_address, max_packets> addresses;
    for (std::size_t i = 0; i < size_; ++i) {
        addresses[i] = address_of(packets_[i].destination);
        parts[i] = {packets_[i].bytes.data(), packets_[i].bytes.size()};
        auto& m = messages[i].msg_hdr;
        m.msg_name = addresses[i].raw();
        m.msg_namelen = addresses[i].size;
        m.msg_iov = &parts[i];
        m.msg_iovlen = 1;
    }
    for (std::size_t at = 0; at < size_;) {
        const int done = ::sendmmsg(socket_, messages.data() + at, static_cast<unsigned>(size_ - at), how);
        at += done > 0 ? static_cast<std::size_t>(done) : 1; // one that can't be sent holds up no other
    }
    size_ = 0;
}

} // namespace cofferdam::nft
