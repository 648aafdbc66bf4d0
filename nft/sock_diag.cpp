#include "nft/sock_diag.hpp"

#include "nft/expression.hpp"
#include "nft/netlink_reader.hpp"

#include <cerrno>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

namespace cofferdam::nft {
namespace {

constexpr std::uint8_t af_inet = 2, af_inet6 = 10; // AF_INET, AF_INET6 on Linux
static_assert(sizeof(nlmsghdr) + sizeof(inet_diag_req_v2) == socket_request_size);

std::uint16_t big_endian(std::uint16_t value) noexcept
{
    return static_cast<std::uint16_t>((value << 8) | (value >> 8));
}

void put(const ip_endpoint& end, __be32 (&address)[4], __be16& port) noexcept
{
    const auto bytes = end.address.bytes();
    std::memcpy(address, bytes.data(), bytes.size());
    port = big_endian(end.port);
}

result<socket_owner> refusal_of(byte_view payload) noexcept
{
    const auto error = acknowledged_error(payload);
    if (!error) return errc::closed;
    if (error == error_code(ENOENT, boost::system::system_category())) return errc::not_found;
    return error;
}

} // namespace

result<std::array<std::uint8_t, socket_request_size>> encode_socket_request(const socket_query& query,
                                                                            std::uint32_t sequence) noexcept
{
    if (query.local.address.is_v4() != query.remote.address.is_v4()) return errc::unsupported;
    inet_diag_req_v2 request{};
    request.sdiag_family = query.local.address.is_v4() ? af_inet : af_inet6;
    request.sdiag_protocol = query.transport;
    request.idiag_states = ~0U;
    request.id.idiag_cookie[0] = request.id.idiag_cookie[1] = static_cast<std::uint32_t>(INET_DIAG_NOCOOKIE);
    // udp_diag looks up as if for an incoming packet: its source is the socket's remote end ("swapped for historical
    // reasons", net/ipv4/udp_diag.c).
    const bool tcp = query.transport == protocol::tcp;
    put(tcp ? query.local : query.remote, request.id.idiag_src, request.id.idiag_sport);
    put(tcp ? query.remote : query.local, request.id.idiag_dst, request.id.idiag_dport);
    nlmsghdr header{};
    header.nlmsg_len = socket_request_size;
    header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    header.nlmsg_flags = NLM_F_REQUEST;
    header.nlmsg_seq = sequence;
    std::array<std::uint8_t, socket_request_size> out;
    std::memcpy(out.data(), &header, sizeof header);
    std::memcpy(out.data() + sizeof header, &request, sizeof request);
    return out;
}

result<socket_owner> decode_socket_answer(byte_view datagram, std::uint32_t sequence) noexcept
{
    while (!datagram.empty()) {
        const auto message = next_message(datagram);
        if (!message) return message.error();
        if (message->header.nlmsg_seq != sequence) continue;
        if (message->header.nlmsg_type == NLMSG_ERROR) return refusal_of(message->payload);
        if (message->header.nlmsg_type != SOCK_DIAG_BY_FAMILY) continue;
        const auto socket = read_structure<inet_diag_msg>(message->payload);
        if (!socket) return errc::malformed;
        return socket_owner{socket->idiag_inode, socket->idiag_uid};
    }
    return errc::closed;
}

} // namespace cofferdam::nft
