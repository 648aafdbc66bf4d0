#include "sandbox/control.hpp"

#include "core/io/passed_descriptors.hpp"
#include "sandbox/errors.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>

namespace cofferdam::sandbox {
namespace {

constexpr std::size_t header_size = 8;
using header_bytes = std::array<char, header_size>;

header_bytes encode_header(frame_type type, std::size_t size)
{
    header_bytes header{};
    const auto size32 = static_cast<std::uint32_t>(size);
    std::memcpy(header.data(), &size32, sizeof size32);
    header[4] = static_cast<char>(type);
    return header;
}

bool send_all(int fd, std::string_view bytes)
{
    while (!bytes.empty()) {
        const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool receive_all(int fd, char* into, std::size_t size)
{
    while (size > 0) {
        const auto got = ::recv(fd, into, size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        into += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

constexpr std::size_t control_space = CMSG_SPACE(sizeof(int) * control_socket::max_descriptors);

bool send_header(int fd, header_bytes& header, std::span<const int> descriptors)
{
    alignas(cmsghdr) std::array<char, control_space> control{};
    iovec part{header.data(), header.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    add_descriptors(message, control, descriptors);
    ssize_t sent = -1;
    do sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent <= 0) return false;
    const std::string_view rest(header.data(), header.size());
    return send_all(fd, rest.substr(static_cast<std::size_t>(sent)));
}

} // namespace

bool control_socket::send(frame_type type, std::string_view body, std::span<const int> descriptors)
{
    if (body.size() > max_body || descriptors.size() > max_descriptors) throw launch_error("a message to the job is too large");
    auto header = encode_header(type, body.size());
    return send_header(fd(), header, descriptors) && send_all(fd(), body);
}

std::optional<frame> control_socket::receive()
{
    header_bytes header{};
    alignas(cmsghdr) std::array<char, control_space> control{};
    iovec part{header.data(), header.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = -1;
    do got = ::recvmsg(fd(), &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0) return std::nullopt;
    frame received;
    received.descriptors = take_descriptors<unique_fd>(message);
    const auto have = static_cast<std::size_t>(got);
    if (!receive_all(fd(), header.data() + have, header.size() - have)) return std::nullopt;
    std::uint32_t size = 0;
    std::memcpy(&size, header.data(), sizeof size);
    if (size > max_body) throw launch_error("a message from the job is too large");
    received.type = static_cast<frame_type>(header[4]);
    received.body.resize(size);
    if (!receive_all(fd(), received.body.data(), size)) return std::nullopt;
    return received;
}

field_writer& field_writer::add(std::string_view text)
{
    add(static_cast<std::int64_t>(text.size()));
    body_ += text;
    return *this;
}

field_writer& field_writer::add(std::int64_t number)
{
    std::array<char, sizeof number> bytes{};
    std::memcpy(bytes.data(), &number, sizeof number);
    body_.append(bytes.data(), bytes.size());
    return *this;
}

std::string_view field_reader::take(std::size_t size)
{
    if (size > rest_.size()) throw launch_error("a message between the gateway and its job is cut");
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
}

std::string field_reader::text()
{
    return std::string(take(static_cast<std::size_t>(number())));
}

std::int64_t field_reader::number()
{
    std::int64_t value = 0;
    const auto bytes = take(sizeof value);
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

} // namespace cofferdam::sandbox
