#include "nft/io/gateway_sockets.hpp"

#include "nft/io/netlink.hpp"
#include "nft/io/socket_address.hpp"

#include <cerrno>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink_log.h>

namespace cofferdam::nft {
namespace {

/// Small, because the receive buffer is charged for the whole allocation: room for one logged packet.
constexpr std::uint32_t log_message_size = 512;

class checked_socket {
public:
    checked_socket(bool v6, int type, std::string what, int protocol = 0)
        : what_(std::move(what)), socket_(::socket(v6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)),
          v6_(v6)
    {
        if (!socket_) throw_sealed(last_error(), "cannot make " + what_);
        if (v6 && type != SOCK_RAW) set(IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    void set(int level, int name, int value)
    {
        if (::setsockopt(socket_.number(), level, name, &value, sizeof value) != 0)
            throw_sealed(last_error(), "cannot set option " + std::to_string(name) + " of " + what_);
    }
    /// So that it may accept for, or send from, any address of this namespace.
    void be_transparent() { v6_ ? set(IPPROTO_IPV6, IPV6_TRANSPARENT, 1) : set(IPPROTO_IP, IP_TRANSPARENT, 1); }
    void tell_destination() { v6_ ? set(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) : set(IPPROTO_IP, IP_PKTINFO, 1); }
    void bind(const ip_endpoint& to)
    {
        const socket_address address(to);
        if (::bind(socket_.number(), address.raw(), address.size) != 0) throw_sealed(last_error(), "cannot bind " + what_);
    }
    void listen(int backlog)
    {
        if (::listen(socket_.number(), backlog) != 0) throw_sealed(last_error(), "cannot listen on " + what_);
    }
    int number() const noexcept { return socket_.number(); }
    descriptor release() { return std::move(socket_); }

private:
    std::string what_;
    descriptor socket_;
    bool v6_;
};

/// As much as asked for, or as much as an unprivileged process gets.
void widen(int number, int bytes)
{
    if (::setsockopt(number, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        ::setsockopt(number, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

void never_wait(int number)
{
    const int flags = ::fcntl(number, F_GETFL);
    if (flags < 0 || ::fcntl(number, F_SETFL, flags | O_NONBLOCK) != 0)
        throw_sealed(last_error(), "cannot make a netlink socket non-blocking");
}

/// An overrun is seen as a gap in the sequence numbers. Without this option the kernel would besides stop delivering until the
/// buffer has been emptied.
void pass_over_overruns(int number)
{
    const int yes = 1;
    if (::setsockopt(number, SOL_NETLINK, NETLINK_NO_ENOBUFS, &yes, sizeof yes) != 0)
        throw_sealed(last_error(), "cannot set NETLINK_NO_ENOBUFS");
}

/// The NFLOG configuration messages (linux/netfilter/nfnetlink_log.h), one request each.
class log_configuration {
public:
    log_configuration(netlink_socket& socket, std::uint16_t group) : socket_(socket), group_(group) {}

    template <class Attribute>
    void request(const char* what, Attribute add)
    {
        alignas(nlmsghdr) char buffer[256] = {};
        auto* header = mnl_nlmsg_put_header(buffer);
        header->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
        header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        header->nlmsg_seq = 1;
        auto* body = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
        body->nfgen_family = AF_UNSPEC;
        body->version = NFNETLINK_V0;
        body->res_id = htons(group_);
        add(header);
        const byte_view bytes(reinterpret_cast<const std::uint8_t*>(header), header->nlmsg_len);
        if (const auto ec = socket_.request(bytes)) throw_sealed(ec, std::string("cannot ") + what + " of the packet log");
    }

private:
    netlink_socket& socket_;
    std::uint16_t group_;
};

} // namespace

void throw_sealed(const error_code& ec, const std::string& what)
{
    throw sealed_network_error(ec, what);
}

descriptor gateway_sockets::stream_listener(const ip_endpoint& at, bool shared) const
{
    checked_socket out(at.address.is_v6(), SOCK_STREAM, "the listener on " + at.to_string());
    // Accepted sockets hold the port that the job dialled; they inherit this, so that a server of the job (which sets it too, as
    // servers do) can still bind that port.
    out.set(SOL_SOCKET, SO_REUSEADDR, 1);
    if (shared) out.set(SOL_SOCKET, SO_REUSEPORT, 1);
    out.be_transparent();
    out.bind(at);
    out.listen(sizes_.backlog);
    return out.release();
}

descriptor gateway_sockets::name_socket(const ip_endpoint& at) const
{
    checked_socket out(at.address.is_v6(), SOCK_DGRAM, "the DNS socket on " + at.to_string());
    widen(out.number(), sizes_.name_buffer);
    out.be_transparent(); // the address is not on lo
    out.bind(at);
    return out.release();
}

descriptor gateway_sockets::relay_socket(std::uint16_t port, bool v6) const
{
    const ip_endpoint at{v6 ? ip_address::v6({}) : ip_address(), port};
    checked_socket out(v6, SOCK_DGRAM, "the UDP relay on " + at.to_string());
    out.tell_destination();
    out.be_transparent();
    out.bind(at);
    return out.release();
}

descriptor gateway_sockets::log_socket(const log_options& log) const
{
    auto opened = netlink_socket::open(NETLINK_NETFILTER);
    if (!opened) throw_sealed(opened.error(), "cannot open the packet log");
    widen(opened->number(), sizes_.log_buffer);
    pass_over_overruns(opened->number());
    log_configuration configuration(*opened, log.group);
    configuration.request("bind the group", [](nlmsghdr* m) {
        nfulnl_msg_config_cmd command{};
        command.command = NFULNL_CFG_CMD_BIND;
        mnl_attr_put(m, NFULA_CFG_CMD, sizeof command, &command);
    });
    configuration.request("set the mode", [&log](nlmsghdr* m) {
        nfulnl_msg_config_mode mode{};
        mode.copy_mode = NFULNL_COPY_PACKET;
        mode.copy_range = htonl(log.snaplen);
        mnl_attr_put(m, NFULA_CFG_MODE, sizeof mode, &mode);
        mnl_attr_put_u16(m, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
        mnl_attr_put_u32(m, NFULA_CFG_QTHRESH, htonl(1)); // each packet at once
        mnl_attr_put_u32(m, NFULA_CFG_NLBUFSIZ, htonl(log_message_size));
    });
    never_wait(opened->number());
    return opened->release();
}

descriptor gateway_sockets::diagnostics_socket() const
{
    auto opened = netlink_socket::open(NETLINK_SOCK_DIAG);
    if (!opened) throw_sealed(opened.error(), "cannot open the socket diagnostics");
    never_wait(opened->number());
    return opened->release();
}

descriptor gateway_sockets::queue_socket(std::uint16_t number) const
{
    const auto what = "packet queue " + std::to_string(number);
    auto opened = netlink_socket::open(NETLINK_NETFILTER);
    if (!opened) throw_sealed(opened.error(), "cannot open " + what);
    widen(opened->number(), sizes_.queue_buffer);
    pass_over_overruns(opened->number());
    for (const auto& request : encode_queue_setup(number, sizes_.queue))
        if (const auto ec = opened->request(request)) throw_sealed(ec, "cannot bind " + what);
    never_wait(opened->number());
    return opened->release();
}

descriptor gateway_sockets::answer_socket(bool v6, std::uint32_t mark) const
{
    // IPPROTO_RAW: packets are sent with the header that they bring, and none is received (raw(7)).
    checked_socket out(v6, SOCK_RAW, "the raw socket for answers", IPPROTO_RAW);
    if (mark != 0) out.set(SOL_SOCKET, SO_MARK, static_cast<int>(mark));
    return out.release();
}

} // namespace cofferdam::nft
