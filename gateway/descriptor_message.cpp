#include "gateway/descriptor_message.hpp"

#include "core/error.hpp"
#include "core/io/passed_descriptors.hpp"

#include <array>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <sys/socket.h>

namespace cofferdam::gateway {
namespace {

constexpr std::size_t control_space = CMSG_SPACE(sizeof(int) * most_descriptors);

error_code last_error() noexcept
{
    return {errno, boost::system::system_category()};
}

} // namespace

result<std::size_t> send_with_descriptors(int socket, std::string_view bytes, std::span<const int> descriptors)
{
    if (descriptors.size() > most_descriptors) return errc::too_large;
    alignas(cmsghdr) std::array<char, control_space> control{};
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    add_descriptors(message, control, descriptors);
    const auto sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0) return last_error();
    return static_cast<std::size_t>(sent);
}

result<received_message> receive_with_descriptors(int socket, std::span<char> room)
{
    alignas(cmsghdr) std::array<char, control_space> control{};
    iovec part{room.data(), room.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0) return last_error();
    received_message out{static_cast<std::size_t>(got), take_descriptors<nft::descriptor>(message)};
    if ((message.msg_flags & MSG_CTRUNC) != 0) return errc::too_large;
    return out;
}

} // namespace cofferdam::gateway
