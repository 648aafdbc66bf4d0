#include "dns/io/cares_channel.hpp"

#include "core/io/own_mark.hpp"
#include "dns/message.hpp"

#include <algorithm>
#include <arpa/nameser.h>
#include <cstring>
#include <stdexcept>

namespace cofferdam::dns {

namespace asio = boost::asio;

struct cares_channel::watched_socket {
    watched_socket(asio::io_context& io, ares_socket_t fd_) : descriptor(io), fd(fd_) {}

    asio::posix::stream_descriptor descriptor; // borrows the socket: c-ares closes it
    ares_socket_t fd;
    bool want_read = false, want_write = false;
    bool reading = false, writing = false; // a wait is pending
    bool closed = false;                   // c-ares has closed it; its number may belong to another by now
};

namespace {

void init_library()
{
    static const int status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status != ARES_SUCCESS) throw std::runtime_error(std::string("c-ares: ") + ares_strerror(status));
}

std::string servers_csv(const std::vector<ip_endpoint>& servers)
{
    std::string out;
    for (const auto& s : servers) {
        if (!out.empty()) out += ',';
        out += s.to_string();
    }
    return out;
}

errc error_of(int status) noexcept
{
    return status == ARES_ETIMEOUT ? errc::timed_out : errc::closed;
}

} // namespace

std::shared_ptr<cares_channel> cares_channel::open(asio::io_context& io, const settings& how, const std::string& resolv_conf)
{
    init_library();
    std::shared_ptr<cares_channel> out(new cares_channel(io));
    out->configure(how, resolv_conf);
    return out;
}

void cares_channel::configure(const settings& how, const std::string& resolv_conf)
{
    std::string path = resolv_conf, lookups = "b";
    ares_options options{};
    options.flags = ARES_FLAG_USEVC | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    options.timeout = static_cast<int>(how.upstream_timeout.count());
    options.tries = static_cast<int>(std::max(how.upstream_tries, 1U));
    options.lookups = lookups.data();
    options.resolvconf_path = path.data();
    options.sock_state_cb_data = this;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int read, int write) {
        static_cast<cares_channel*>(self)->on_socket_state(fd, read != 0, write != 0);
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    if (!path.empty()) mask |= ARES_OPT_RESOLVCONF;
    if (const int status = ares_init_options(&channel_, &options, mask); status != ARES_SUCCESS) {
        channel_ = nullptr;
        throw std::runtime_error(std::string("dns: c-ares channel: ") + ares_strerror(status));
    }
    ares_set_socket_configure_callback(
        channel_, [](ares_socket_t fd, int, void*) { return mark_own(fd) ? 0 : -1; }, nullptr);
    if (how.upstreams.empty()) return;
    const auto csv = servers_csv(how.upstreams);
    if (const int status = ares_set_servers_ports_csv(channel_, csv.c_str()); status != ARES_SUCCESS)
        throw std::runtime_error("dns.upstreams: " + csv + ": " + ares_strerror(status));
}

cares_channel::~cares_channel()
{
    close();
}

void cares_channel::close()
{
    if (channel_ == nullptr) return;
    timer_.cancel();
    const auto channel = channel_;
    channel_ = nullptr;    // callbacks of the destruction find a closed channel
    ares_destroy(channel); // calls every pending callback, and on_socket_state for every socket
}

std::vector<ip_endpoint> cares_channel::servers() const
{
    std::vector<ip_endpoint> out;
    ares_addr_port_node* list = nullptr;
    if (channel_ == nullptr || ares_get_servers_ports(channel_, &list) != ARES_SUCCESS) return out;
    for (const auto* each = list; each != nullptr; each = each->next) {
        ip_address::v4_bytes v4{};
        ip_address::v6_bytes v6{};
        if (each->family == AF_INET) std::memcpy(v4.data(), &each->addr.addr4, v4.size());
        if (each->family == AF_INET6) std::memcpy(v6.data(), &each->addr.addr6, v6.size());
        const auto address = each->family == AF_INET ? ip_address::v4(v4) : ip_address::v6(v6);
        out.push_back({address, static_cast<std::uint16_t>(each->udp_port != 0 ? each->udp_port : NAMESERVER_PORT)});
    }
    ares_free_data(list);
    return out;
}

void cares_channel::send(byte_view query_bytes, callback done)
{
    if (channel_ == nullptr) return done(errc::closed);
    auto pending = std::make_unique<callback>(std::move(done));
    const auto on_answer = [](void* mark, int status, int, unsigned char* bytes, int size) {
        const std::unique_ptr<callback> call(static_cast<callback*>(mark));
        if (status != ARES_SUCCESS || bytes == nullptr) return (*call)(error_of(status));
        (*call)(std::vector<std::uint8_t>(bytes, bytes + size));
    };
    ares_send(channel_, query_bytes.data(), static_cast<int>(query_bytes.size()), on_answer, pending.release());
    schedule_timer();
}

// c-ares opens, changes or closes a socket. For a close it calls before close(2), so the descriptor can be given back.
void cares_channel::on_socket_state(ares_socket_t fd, bool read, bool write)
{
    const auto at = sockets_.find(fd);
    if (!read && !write) {
        if (at == sockets_.end()) return;
        at->second->closed = true;
        at->second->descriptor.release();
        sockets_.erase(at);
        return;
    }
    auto socket = at != sockets_.end() ? at->second : std::make_shared<watched_socket>(io_, fd);
    if (at == sockets_.end()) {
        boost::system::error_code ec;
        socket->descriptor.assign(fd, ec);
        if (ec) return; // no exception may pass through c-ares; an unwatched query times out
        sockets_.emplace(fd, socket);
    }
    socket->want_read = read;
    socket->want_write = write;
    if (channel_ == nullptr) return;
    wait_readable(socket);
    wait_writable(socket);
}

void cares_channel::wait_readable(std::shared_ptr<watched_socket> socket)
{
    if (socket->closed || !socket->want_read || socket->reading) return;
    socket->reading = true;
    auto on_ready = [weak = weak_from_this(), socket](const boost::system::error_code& ec) {
        socket->reading = false;
        const auto self = weak.lock();
        if (ec || socket->closed || !self) return;
        self->resume(socket->fd, ARES_SOCKET_BAD);
        self->wait_readable(socket);
    };
    socket->descriptor.async_wait(asio::posix::descriptor_base::wait_read, std::move(on_ready));
}

void cares_channel::wait_writable(std::shared_ptr<watched_socket> socket)
{
    if (socket->closed || !socket->want_write || socket->writing) return;
    socket->writing = true;
    auto on_ready = [weak = weak_from_this(), socket](const boost::system::error_code& ec) {
        socket->writing = false;
        const auto self = weak.lock();
        if (ec || socket->closed || !self) return;
        self->resume(ARES_SOCKET_BAD, socket->fd);
        self->wait_writable(socket);
    };
    socket->descriptor.async_wait(asio::posix::descriptor_base::wait_write, std::move(on_ready));
}

void cares_channel::resume(ares_socket_t readable, ares_socket_t writable)
{
    if (channel_ == nullptr) return;
    ares_process_fd(channel_, readable, writable);
    schedule_timer();
}

// One timer for the earliest time-out. A timer that fires early costs a look; it is not moved back for every query.
void cares_channel::schedule_timer()
{
    if (channel_ == nullptr) return;
    timeval left{};
    if (ares_timeout(channel_, nullptr, &left) == nullptr) return;
    const auto delay = std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec) + std::chrono::milliseconds(1);
    const auto at = std::chrono::steady_clock::now() + delay;
    if (timer_at_ <= at) return;
    timer_at_ = at;
    timer_.expires_at(at);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (ec || !self) return;
        self->timer_at_ = std::chrono::steady_clock::time_point::max();
        self->resume(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    });
}

} // namespace cofferdam::dns
