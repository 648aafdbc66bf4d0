#include "dns/io/upstream_sockets.hpp"

#include "core/io/own_mark.hpp"
#include "dns/io/random_source.hpp"
#include "dns/upstream_queries.hpp"

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cofferdam::dns {

namespace asio = boost::asio;

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t sockets_per_server = 8;
constexpr std::size_t uses_of_socket = 2048;          // queries; then it is replaced
constexpr std::chrono::seconds age_of_socket{10};     // likewise
constexpr std::size_t strays_of_socket = 64;          // datagrams that answer nothing: somebody is guessing
constexpr std::size_t uses_in_a_row = 64;             // a busy moment's queries share a socket, and a system call
constexpr std::chrono::milliseconds time_in_a_row{2}; // or they would not be of one moment
constexpr std::size_t batch = 32;
constexpr int batches_per_wake_up = 4;     // then others have their turn
constexpr std::size_t max_datagram = 4096; // asked for are at most max_udp_size

struct upstream_socket {
    upstream_socket(asio::io_context& io, int fd, std::size_t number_, std::size_t server_)
        : descriptor(io, fd), number(number_), server(server_), opened(clock::now())
    {
    }

    asio::posix::stream_descriptor descriptor;
    std::size_t number, server;
    clock::time_point opened;
    std::size_t uses = 0, strays = 0;
    bool waiting = false; // for datagrams: only while something is in flight
    std::vector<std::vector<std::uint8_t>> outgoing;
};

struct server_sockets {
    ip_endpoint address;
    upstream_socket* current = nullptr;
    std::size_t left_in_a_row = 0;
    clock::time_point in_a_row_until;
};

socklen_t to_sockaddr(const ip_endpoint& from, sockaddr_storage& out) noexcept
{
    const auto bytes = from.address.bytes();
    if (from.address.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(from.port);
        std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
        std::memcpy(&out, &v4, sizeof v4);
        return sizeof v4;
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(from.port);
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&out, &v6, sizeof v6);
    return sizeof v6;
}

/// Connected, not bound before: the kernel picks the port at random. -1 if the server can't be reached.
int open_socket(const ip_endpoint& server) noexcept
{
    sockaddr_storage address{};
    const auto size = to_sockaddr(server, address);
    const int fd = ::socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    const int wanted = 1 << 20; // a burst of answers; the kernel may give less
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
    if (mark_own(fd) && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return fd;
    ::close(fd);
    return -1;
}

} // namespace

struct upstream_sockets::impl : std::enable_shared_from_this<impl> {
    impl(asio::io_context& io_context, const settings& how, std::vector<ip_endpoint> addresses)
        : io(io_context), timer(io_context), sockets(2 * sockets_per_server * addresses.size()),
          queries(how, addresses.size(), sockets.size(), [this] { return random.u16(); })
    {
        for (auto& each : addresses) servers.push_back({each, nullptr, 0, {}});
    }

    void ask(const question& what, callback done);
    void carry_out(upstream_queries::action next);
    void carry_out_all(const std::vector<upstream_queries::action>& all);
    void finish(upstream_queries::slot which, result<byte_view> with);
    upstream_socket* pick(std::size_t server, clock::time_point now);
    upstream_socket* open(std::size_t server);
    bool used_up(const upstream_socket& s, clock::time_point now) const noexcept;
    void sweep(clock::time_point now);
    void flush();
    void send_all(upstream_socket& s);
    void wait_readable(std::size_t number);
    void stop_idle_waits();
    void receive(std::size_t number);
    std::size_t receive_batch(upstream_socket& s);
    void schedule_expiry();
    void close();

    asio::io_context& io;
    asio::steady_timer timer;
    random_source random;
    std::vector<std::shared_ptr<upstream_socket>> sockets; // by number; null: free
    std::vector<server_sockets> servers;
    upstream_queries queries;
    std::vector<callback> callbacks; // by slot
    std::vector<std::array<std::uint8_t, max_datagram>> buffers{batch};
    std::array<std::size_t, batch> sizes{};
    clock::time_point next_sweep;
    std::uint64_t sent = 0;
    bool flush_posted = false, timer_set = false, closed = false;
};

void upstream_sockets::impl::ask(const question& what, callback done)
{
    if (closed) return done(errc::closed);
    const auto begun = queries.ask(what, clock::now());
    if (!begun) return done(begun.error());
    if (callbacks.size() <= begun->what) callbacks.resize(begun->what + 1);
    callbacks[begun->what] = std::move(done);
    carry_out(*begun);
}

void upstream_sockets::impl::carry_out(upstream_queries::action next)
{
    while (const auto* attempt = std::get_if<upstream_queries::attempt>(&next)) {
        const auto now = clock::now();
        if (auto* socket = pick(attempt->server, now)) {
            socket->outgoing.push_back(queries.datagram(*attempt, socket->number, now));
            ++sent;
            if (!flush_posted) {
                flush_posted = true;
                asio::post(io, [self = shared_from_this()] { self->flush(); });
            }
            return schedule_expiry();
        }
        next = queries.could_not_send(*attempt, now);
    }
    if (const auto* cut = std::get_if<upstream_queries::over_tcp>(&next)) return finish(cut->what, errc::unsupported);
    if (const auto* lost = std::get_if<upstream_queries::failed>(&next)) return finish(lost->what, lost->why);
}

void upstream_sockets::impl::carry_out_all(const std::vector<upstream_queries::action>& all)
{
    for (const auto& each : all) carry_out(each);
}

void upstream_sockets::impl::finish(upstream_queries::slot which, result<byte_view> with)
{
    const auto done = std::exchange(callbacks[which], nullptr); // the slot may be taken again during the call
    done(with);
}

bool upstream_sockets::impl::used_up(const upstream_socket& s, clock::time_point now) const noexcept
{
    return s.uses >= uses_of_socket || s.strays >= strays_of_socket || now - s.opened >= age_of_socket;
}

upstream_socket* upstream_sockets::impl::pick(std::size_t server, clock::time_point now)
{
    auto& s = servers[server];
    if (s.current == nullptr || s.left_in_a_row == 0 || s.in_a_row_until <= now || used_up(*s.current, now)) {
        if (next_sweep <= now) sweep(now);
        std::array<upstream_socket*, sockets_per_server> usable{};
        std::size_t count = 0;
        upstream_socket* any = nullptr;
        for (const auto& each : sockets) {
            if (!each || each->server != server) continue;
            any = each.get();
            if (count < usable.size() && !used_up(*each, now)) usable[count++] = each.get();
        }
        auto* fresh = count < sockets_per_server ? open(server) : nullptr;
        s.current = fresh != nullptr ? fresh : count != 0 ? usable[random.u16() % count] : any;
        if (s.current == nullptr) return nullptr;
        s.left_in_a_row = uses_in_a_row;
        s.in_a_row_until = now + time_in_a_row;
    }
    --s.left_in_a_row;
    ++s.current->uses;
    return s.current;
}

upstream_socket* upstream_sockets::impl::open(std::size_t server)
{
    const auto place = std::find(sockets.begin(), sockets.end(), nullptr);
    if (place == sockets.end()) return nullptr;
    const int fd = open_socket(servers[server].address);
    if (fd < 0) return nullptr;
    const auto number = static_cast<std::size_t>(place - sockets.begin());
    *place = std::make_shared<upstream_socket>(io, fd, number, server);
    return place->get();
}

// Sockets that are used up are closed when nothing is in flight on them any more.
void upstream_sockets::impl::sweep(clock::time_point now)
{
    next_sweep = now + std::chrono::milliseconds(100);
    for (auto& each : sockets) {
        if (!each || !used_up(*each, now) || queries.in_flight_on(each->number) != 0) continue;
        if (servers[each->server].current == each.get()) servers[each->server].current = nullptr;
        boost::system::error_code ignored;
        each->descriptor.close(ignored);
        each.reset();
    }
}

void upstream_sockets::impl::flush()
{
    flush_posted = false;
    if (closed) return;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        if (const auto s = sockets[i]; s && !s->outgoing.empty()) send_all(*s);
    }
}

// What does not fit the socket's buffer is lost, as the network may lose it: the query is sent again in time.
void upstream_sockets::impl::send_all(upstream_socket& s)
{
    auto outgoing = std::exchange(s.outgoing, {});
    bool unreachable = false;
    for (std::size_t at = 0; at < outgoing.size();) {
        std::array<mmsghdr, batch> messages{};
        std::array<iovec, batch> parts{};
        const auto count = std::min(batch, outgoing.size() - at);
        for (std::size_t i = 0; i < count; ++i) {
            parts[i] = {outgoing[at + i].data(), outgoing[at + i].size()};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        const int done = ::sendmmsg(s.descriptor.native_handle(), messages.data(), static_cast<unsigned>(count), MSG_NOSIGNAL);
        if (done < 0 && (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH)) unreachable = true;
        if (done <= 0) break;
        at += static_cast<std::size_t>(done);
    }
    outgoing.clear();
    wait_readable(s.number);
    if (unreachable)
        carry_out_all(queries.on_unreachable(s.number, clock::now()));
    else if (s.outgoing.empty())
        s.outgoing = std::move(outgoing); // its memory
}

void upstream_sockets::impl::wait_readable(std::size_t number)
{
    const auto socket = sockets[number];
    if (!socket || socket->waiting || queries.in_flight_on(number) == 0) return;
    socket->waiting = true;
    auto on_ready = [weak = weak_from_this(), number, socket](const boost::system::error_code& ec) {
        socket->waiting = false;
        const auto self = weak.lock();
        if (!self || self->closed || self->sockets[number] != socket) return;
        if (!ec) self->receive(number);
        self->wait_readable(number);
    };
    socket->descriptor.async_wait(asio::posix::descriptor_base::wait_read, std::move(on_ready));
}

void upstream_sockets::impl::stop_idle_waits()
{
    boost::system::error_code ignored;
    for (const auto& each : sockets) {
        if (each && each->waiting && queries.in_flight_on(each->number) == 0) each->descriptor.cancel(ignored);
    }
}

void upstream_sockets::impl::receive(std::size_t number)
{
    const auto socket = sockets[number];
    for (int n = 0; n < batches_per_wake_up; ++n) {
        const auto count = receive_batch(*socket);
        const auto now = clock::now();
        for (std::size_t i = 0; i < count && !closed; ++i) {
            const byte_view bytes{buffers[i].data(), sizes[i]};
            const auto next = queries.on_datagram(number, bytes, now);
            if (!next)
                ++socket->strays;
            else if (const auto* answer = std::get_if<upstream_queries::answered>(&*next))
                finish(answer->what, bytes);
            else
                carry_out(*next);
        }
        if (closed || count < batch) return;
    }
}

std::size_t upstream_sockets::impl::receive_batch(upstream_socket& s)
{
    std::array<mmsghdr, batch> messages{};
    std::array<iovec, batch> parts{};
    for (std::size_t i = 0; i < batch; ++i) {
        parts[i] = {buffers[i].data(), buffers[i].size()};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int got = ::recvmmsg(s.descriptor.native_handle(), messages.data(), batch, MSG_DONTWAIT, nullptr);
    if (got < 0 && errno != EAGAIN && errno != EINTR) carry_out_all(queries.on_unreachable(s.number, clock::now()));
    for (int i = 0; i < got; ++i) sizes[static_cast<std::size_t>(i)] = messages[static_cast<std::size_t>(i)].msg_len;
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

void upstream_sockets::impl::schedule_expiry()
{
    const auto due = queries.next_expiry();
    if (timer_set || due == clock::time_point::max()) return;
    timer_set = true;
    timer.expires_at(due);
    timer.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (ec || !self || self->closed) return;
        self->timer_set = false;
        self->carry_out_all(self->queries.expire(clock::now()));
        self->stop_idle_waits();
        self->schedule_expiry();
    });
}

void upstream_sockets::impl::close()
{
    if (closed) return;
    closed = true;
    timer.cancel();
    boost::system::error_code ignored;
    for (auto& each : sockets) {
        if (each) each->descriptor.close(ignored);
    }
    for (const auto which : queries.abandon()) finish(which, errc::closed);
}

upstream_sockets::upstream_sockets(asio::io_context& io, const settings& how, std::vector<ip_endpoint> servers)
    : impl_(std::make_shared<impl>(io, how, std::move(servers)))
{
}

upstream_sockets::~upstream_sockets()
{
    close();
}

void upstream_sockets::ask(const question& what, callback done)
{
    impl_->ask(what, std::move(done));
}

void upstream_sockets::close()
{
    impl_->close();
}

std::uint64_t upstream_sockets::sent() const noexcept
{
    return impl_->sent;
}

} // namespace cofferdam::dns
