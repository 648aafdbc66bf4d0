#include "nft/io/attached_network.hpp"

#include "nft/io/socket_address.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace cofferdam::nft {
namespace {

constexpr int so_netns_cookie = 71; // asm-generic/socket.h, Linux 5.14

/// What a socket must be to be taken for one of ours.
struct kind {
    int domain, type, protocol;
    bool listens;
    std::uint16_t port; ///< 0: of any
};

kind stream(int domain, std::uint16_t port)
{
    return {domain, SOCK_STREAM, IPPROTO_TCP, true, port};
}

kind netfilter_socket()
{
    return {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER, false, 0};
}

/// Calls `visit` with each place and what must be in it, in the order in which they travel. The vectors have one element each.
template <class Sockets, class Visit>
void for_each_place(Sockets& sockets, bool ipv6, Visit visit)
{
    const auto options = attached_options();
    auto& in = sockets.captured;
    const auto family = [&](int domain, auto& streams, auto& names_tcp, auto& names_udp, auto& answers) {
        visit(streams.front(), stream(domain, options.stream_port));
        visit(names_tcp, stream(domain, options.name_port));
        visit(names_udp, kind{domain, SOCK_DGRAM, IPPROTO_UDP, false, options.name_port});
        visit(answers, kind{domain, SOCK_RAW, IPPROTO_RAW, false, 0});
    };
    for (auto* each : {&in.log, &in.queues.front(), &sockets.netfilter, &sockets.notifications}) visit(*each, netfilter_socket());
    family(AF_INET, in.streams_v4, in.names_tcp_v4, in.names_udp_v4, in.answers_v4);
    if (ipv6) family(AF_INET6, in.streams_v6, in.names_tcp_v6, in.names_udp_v6, in.answers_v6);
}

constexpr std::size_t without_ipv6 = most_attached_sockets - 4;

int option(int socket, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool is(int socket, const kind& what)
{
    if (option(socket, SO_DOMAIN) != what.domain || option(socket, SO_TYPE) != what.type ||
        option(socket, SO_PROTOCOL) != what.protocol || (option(socket, SO_ACCEPTCONN) == 1) != what.listens)
        return false;
    if (what.port == 0) return true;
    socket_address own;
    if (::getsockname(socket, own.raw(), &own.size) != 0) return false;
    const auto endpoint = own.endpoint();
    return endpoint && endpoint->port == what.port;
}

bool never_wait(int socket)
{
    const int flags = ::fcntl(socket, F_GETFL);
    return flags >= 0 && ::fcntl(socket, F_SETFL, flags | O_NONBLOCK) == 0;
}

router_options ports_of(const local_options& options)
{
    router_options out;
    out.stream_port = options.stream_port;
    out.name_port = options.name_port;
    out.first_queue = options.first_queue;
    out.queues = options.queues;
    out.log = options.log;
    out.answer_mark = options.answer_mark;
    return out;
}

} // namespace

local_options attached_options()
{
    local_options out;
    out.dials = false;
    return out;
}

attached_sockets open_attached_sockets(const socket_sizes& sizes)
{
    attached_sockets out;
    try {
        // No process of the namespace may share the listeners, so they are single.
        out.captured = open_capture_sockets(ports_of(attached_options()), sizes, 1, false);
    }
    catch (const sealed_network_error& e) {
        const bool taken = e.code().value() == EADDRINUSE || e.code().value() == EBUSY;
        if (!taken || e.code().category() != boost::system::system_category()) throw;
        throw_sealed(e.code(), "a gateway has this network namespace already, or a process there one of its ports (" +
                                   std::string(e.what()) + ")");
    }
    auto ruleset = open_ruleset_sockets();
    out.netfilter = ruleset.netfilter.release();
    out.notifications = ruleset.watch.release();
    return out;
}

std::vector<int> numbers_of(const attached_sockets& sockets)
{
    std::vector<int> out;
    for_each_place(sockets, !sockets.captured.streams_v6.empty(),
                   [&](const descriptor& each, const kind&) { out.push_back(each.number()); });
    return out;
}

result<attached_sockets> assemble_attached(std::vector<descriptor> received)
{
    const bool ipv6 = received.size() == most_attached_sockets;
    if (!ipv6 && received.size() != without_ipv6) return errc::malformed;
    attached_sockets out;
    out.captured.queues.resize(1);
    out.captured.streams_v4.resize(1);
    if (ipv6) out.captured.streams_v6.resize(1);
    const auto network = network_of(received.front().number());
    if (!network) return network.error();
    bool good = true;
    auto next = received.begin();
    for_each_place(out, ipv6, [&](descriptor& place, const kind& what) {
        const int number = next->number();
        const auto its = network_of(number);
        good = good && its && *its == *network && is(number, what) && never_wait(number);
        place = std::move(*next++);
    });
    if (!good) return errc::malformed;
    return out;
}

result<std::uint64_t> network_of(int socket)
{
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    if (::getsockopt(socket, SOL_SOCKET, so_netns_cookie, &cookie, &size) != 0) return last_error();
    return cookie;
}

result<std::uint64_t> own_network()
{
    const descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return last_error();
    return network_of(socket.number());
}

} // namespace cofferdam::nft
