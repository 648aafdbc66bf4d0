#include "nft/io/netlink.hpp"

#include <array>
#include <cerrno>
#include <sys/socket.h>

namespace cofferdam::nft {
namespace {

constexpr std::size_t answer_limit = 32 * 1024;
constexpr int receive_buffer = 1 << 20; // acknowledgements of a whole batch arrive at once; the kernel caps it

struct acknowledgement {
    std::uint32_t sequence = 0;
    error_code error;
};

result<acknowledgement> take_acknowledgement(byte_view& rest)
{
    const auto message = next_message(rest);
    if (!message) return message.error();
    if (message->header.nlmsg_type != NLMSG_ERROR) return errc::unsupported;
    return acknowledgement{message->header.nlmsg_seq, acknowledged_error(message->payload)};
}

} // namespace

error_code last_error() noexcept
{
    return {errno, boost::system::system_category()};
}

result<netlink_socket> netlink_socket::open(int protocol)
{
    descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!socket) return last_error();
    const int yes = 1;
    ::setsockopt(socket.number(), SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof yes); // short answers; not vital
    ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    return netlink_socket(std::move(socket));
}

error_code netlink_socket::send_all(byte_view bytes)
{
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    const auto sent =
        ::sendto(socket_.number(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (sent < 0) return last_error();
    return sent == static_cast<ssize_t>(bytes.size()) ? error_code{} : make_error_code(errc::too_large);
}

error_code netlink_socket::request(byte_view message)
{
    if (const auto ec = send_all(message)) return ec;
    std::array<std::uint8_t, answer_limit> buffer;
    const auto size = ::recv(socket_.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN ? make_error_code(errc::timed_out) : last_error();
    byte_view rest(buffer.data(), static_cast<std::size_t>(size));
    const auto answer = take_acknowledgement(rest);
    return answer ? answer->error : answer.error();
}

error_code netlink_socket::dump(byte_view message, const std::function<result<dump_state>(byte_view datagram)>& take)
{
    if (const auto ec = send_all(message)) return ec;
    std::array<std::uint8_t, answer_limit> buffer;
    for (;;) {
        const auto size = ::recv(socket_.number(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0) return errno == EAGAIN ? make_error_code(errc::timed_out) : last_error();
        if (static_cast<std::size_t>(size) > buffer.size()) return make_error_code(errc::too_large);
        const auto state = take(byte_view(buffer.data(), static_cast<std::size_t>(size)));
        if (!state) return state.error();
        if (*state == dump_state::ended) return {};
    }
}

netlink_outcome netlink_socket::commit(const netlink_batch& batch)
{
    if (const auto ec = send_all(batch.bytes)) return {ec, "sending the batch"};
    netlink_outcome out;
    std::array<std::uint8_t, answer_limit> buffer;
    for (std::size_t answered = 0; answered < batch.requests.size();) {
        const auto size = ::recv(socket_.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0) {
            if (out.error) return out; // after a refusal of the batch itself there are no more
            return {errno == EAGAIN ? make_error_code(errc::timed_out) : last_error(), "reading acknowledgements"};
        }
        byte_view rest(buffer.data(), static_cast<std::size_t>(size));
        while (!rest.empty()) {
            const auto answer = take_acknowledgement(rest);
            if (!answer) return {answer.error(), "reading acknowledgements"};
            ++answered;
            if (!answer->error || out.error) continue;
            const auto index = answer->sequence - batch.first_sequence; // the batch's own headers wrap or lie behind
            out = {answer->error, index < batch.requests.size() ? batch.requests[index] : "the batch as a whole"};
        }
    }
    return out;
}

} // namespace cofferdam::nft
