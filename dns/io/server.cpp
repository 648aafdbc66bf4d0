#include "dns/io/server.hpp"

#include "core/io/coroutine.hpp"
#include "dns/io/tcp_connection.hpp"
#include "dns/io/udp_socket.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <exception>

namespace cofferdam::dns {

namespace asio = boost::asio;

namespace {

using clock = std::chrono::steady_clock;

constexpr int batches_per_wake_up = 4;                // then others have their turn
constexpr std::chrono::milliseconds accept_pause{50}; // after EMFILE and the like

struct udp_listener {
    udp_listener(asio::io_context& io, int fd) : descriptor(io, fd), socket(fd) {}

    asio::posix::stream_descriptor descriptor;
    udp_socket socket;
};

// Where an answer goes; one of the two.
struct reply_path {
    std::shared_ptr<udp_listener> datagram;
    udp_path peer;
    std::shared_ptr<tcp_connection> stream;
};

void report_failure(std::exception_ptr failed, const std::function<void(std::string_view)>& report)
{
    if (!failed || !report) return;
    try {
        std::rethrow_exception(failed);
    }
    catch (const std::exception& e) {
        report(e.what());
    }
}

// An answer whose record could not be kept says nothing but SERVFAIL: header and question stay, all else goes.
void reduce_to_servfail(answer& a)
{
    auto& bytes = a.bytes;
    if (bytes.size() < header_size) return;
    std::size_t end = header_size;
    if (bytes[5] == 1) {
        const auto qname = name::read_plain(bytes, header_size, end);
        end = qname ? std::min(end + 4, bytes.size()) : header_size;
    }
    bytes.resize(end);
    std::fill(bytes.begin() + 6, bytes.begin() + header_size, std::uint8_t{0});
    bytes[2] = static_cast<std::uint8_t>(bytes[2] & ~0x02U);
    bytes[3] = static_cast<std::uint8_t>((bytes[3] & 0xF0U) | static_cast<unsigned>(rcode::servfail));
}

} // namespace

struct server::impl : std::enable_shared_from_this<impl> {
    impl(asio::io_context& io_context, const settings& how, resolver& resolver_core, upstream_client& client, callbacks hooks)
        : io(io_context), limits(how), core(resolver_core), upstream(client), calls(std::move(hooks))
    {
    }

    void spawn(asio::awaitable<void> what);
    void on_message(byte_view message, transport how, const ip_endpoint& source, reply_path from);
    void take_shared(byte_view message, const udp_path& path, const std::shared_ptr<udp_listener>& from);
    void deliver(answer a, const reply_path& to);
    void deliver_waiting(std::vector<answer> answers);
    static asio::awaitable<void> read_datagrams(std::shared_ptr<impl> self, std::shared_ptr<udp_listener> from);
    static asio::awaitable<void> accept_all(std::shared_ptr<impl> self, std::shared_ptr<asio::ip::tcp::acceptor> from);
    static asio::awaitable<void> serve(std::shared_ptr<impl> self, std::shared_ptr<tcp_connection> connection,
                                       std::shared_ptr<void> place);
    void ask_upstream(const forward& what);
    void on_answer(std::uint64_t id, const question& asked, const result<byte_view>& got);
    void flush_later();
    void flush();
    void report_lost(std::uint32_t count) const;
    void start(asio::ip::tcp::socket socket, std::shared_ptr<void> place = nullptr);
    void stop();

    asio::io_context& io;
    settings limits;
    resolver& core;
    upstream_client& upstream;
    callbacks calls;
    bool stopped = false, flush_posted = false;
    ticket last_ticket = 0;
    std::unordered_map<ticket, reply_path> waiting_paths;
    std::vector<std::shared_ptr<udp_listener>> udp_listeners;
    std::vector<std::shared_ptr<udp_listener>> shared_listeners; // of others, through which there are answers to send
    std::vector<std::shared_ptr<asio::ip::tcp::acceptor>> acceptors;
    std::vector<std::weak_ptr<tcp_connection>> connections;
};

void server::impl::spawn(asio::awaitable<void> what)
{
    auto on_end = [self = shared_from_this()](std::exception_ptr failed) { report_failure(failed, self->calls.on_failure); };
    asio::co_spawn(io, std::move(what), std::move(on_end));
}

void server::impl::on_message(byte_view message, transport how, const ip_endpoint& source, reply_path from)
{
    const auto to = ++last_ticket;
    auto did = core.on_query(message, how, source, to, clock::now());
    if (auto* now = std::get_if<answer>(&did)) return deliver(std::move(*now), from);
    if (auto* nothing = std::get_if<drop>(&did)) {
        if (calls.on_record) calls.on_record(nothing->facts);
        if (from.stream) from.stream->no_answer();
        return;
    }
    waiting_paths.emplace(to, std::move(from));
    if (auto* ask = std::get_if<forward>(&did)) ask_upstream(*ask);
}

void server::impl::deliver(answer a, const reply_path& to)
{
    if (calls.on_record && !calls.on_record(a.facts)) reduce_to_servfail(a);
    if (to.stream)
        to.stream->answer(a.bytes);
    else if (to.datagram && to.datagram->descriptor.is_open())
        to.datagram->socket.queue(to.peer, std::move(a.bytes));
}

void server::impl::deliver_waiting(std::vector<answer> answers)
{
    for (auto& a : answers) {
        const auto path = waiting_paths.extract(a.to);
        if (!path.empty()) deliver(std::move(a), path.mapped());
    }
}

void server::impl::ask_upstream(const forward& what)
{
    const auto qname = name::parse(what.name);
    if (!qname) return on_answer(what.id, {}, errc::malformed);
    const question asked{*qname, what.qtype};
    upstream.query(asked, [weak = weak_from_this(), id = what.id, asked](const result<byte_view>& got) {
        const auto self = weak.lock();
        if (self && !self->stopped) self->on_answer(id, asked, got);
    });
}

void server::impl::on_answer(std::uint64_t id, const question& asked, const result<byte_view>& got)
{
    auto led_to = core.on_upstream(id, got ? parse_response(*got, asked) : result<response>(got.error()), clock::now());
    deliver_waiting(std::move(led_to.answers));
    if (led_to.next) ask_upstream(*led_to.next);
    flush_later();
}

// Answers that came in one turn of the loop leave with one system call.
void server::impl::flush_later()
{
    if (flush_posted) return;
    flush_posted = true;
    asio::post(io, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->flush();
    });
}

void server::impl::flush()
{
    flush_posted = false;
    for (const auto* listeners : {&udp_listeners, &shared_listeners}) {
        for (const auto& each : *listeners) {
            if (each->descriptor.is_open() && each->socket.has_queued()) each->socket.flush();
        }
    }
}

void server::impl::take_shared(byte_view message, const udp_path& path, const std::shared_ptr<udp_listener>& from)
{
    if (stopped) return;
    if (std::find(shared_listeners.begin(), shared_listeners.end(), from) == shared_listeners.end())
        shared_listeners.push_back(from);
    on_message(message, transport::udp, endpoint_of(path.peer), {from, path, nullptr});
}

void server::impl::report_lost(std::uint32_t count) const
{
    if (count != 0 && calls.on_lost) calls.on_lost(count);
}

asio::awaitable<void> server::impl::read_datagrams(std::shared_ptr<impl> self, std::shared_ptr<udp_listener> from)
{
    const auto token = asio::as_tuple(asio::use_awaitable);
    while (!self->stopped) {
        const auto [ec] = co_await from->descriptor.async_wait(asio::posix::descriptor_base::wait_read, token);
        if (ec || self->stopped) co_return;
        for (int n = 0; n < batches_per_wake_up && !self->stopped; ++n) {
            const auto count = from->socket.receive();
            self->report_lost(from->socket.take_lost());
            for (std::size_t i = 0; i < count && !self->stopped; ++i) {
                const auto& path = from->socket.path(i);
                self->on_message(from->socket.datagram(i), transport::udp, endpoint_of(path.peer), {from, path, nullptr});
            }
            if (from->descriptor.is_open()) from->socket.flush();
            if (count < udp_socket::batch) break;
        }
    }
}

asio::awaitable<void> server::impl::accept_all(std::shared_ptr<impl> self, std::shared_ptr<asio::ip::tcp::acceptor> from)
{
    const auto token = asio::as_tuple(asio::use_awaitable);
    asio::steady_timer pause(self->io);
    while (!self->stopped) {
        auto [ec, socket] = co_await from->async_accept(token);
        if (self->stopped || !from->is_open()) co_return;
        if (!ec) {
            self->start(std::move(socket));
            continue;
        }
        pause.expires_after(accept_pause);
        co_await pause.async_wait(token);
    }
}

void server::impl::start(asio::ip::tcp::socket socket, std::shared_ptr<void> place)
{
    std::erase_if(connections, [](const std::weak_ptr<tcp_connection>& c) { return c.expired(); });
    if (connections.size() >= limits.max_tcp_connections) return; // the socket closes itself
    auto connection = std::make_shared<tcp_connection>(std::move(socket), limits.tcp_idle);
    connections.push_back(connection);
    spawn(serve(shared_from_this(), std::move(connection), std::move(place)));
}

asio::awaitable<void> server::impl::serve(std::shared_ptr<impl> self, std::shared_ptr<tcp_connection> connection,
                                          std::shared_ptr<void> place)
{
    (void)place;
    tcp_connection::on_message on_query = [self, weak = std::weak_ptr(connection)](byte_view message) {
        const auto stream = weak.lock();
        if (stream && !self->stopped) self->on_message(message, transport::tcp, stream->peer(), {nullptr, {}, stream});
    };
    co_await tcp_connection::run(std::move(connection), std::move(on_query));
}

void server::impl::stop()
{
    if (stopped) return;
    stopped = true;
    boost::system::error_code ignored;
    deliver_waiting(core.abandon(clock::now()));
    flush();
    for (auto& a : acceptors) a->close(ignored);
    for (auto& u : udp_listeners) {
        report_lost(u->socket.take_all_lost());
        u->descriptor.close(ignored);
    }
    for (auto& c : connections) {
        if (const auto open = c.lock()) open->close();
    }
    waiting_paths.clear();
    shared_listeners.clear();
    calls = {}; // what they use may be gone when the last coroutine ends
}

server::server(asio::io_context& io, const settings& how, resolver& core, upstream_client& upstream, callbacks calls)
    : impl_(std::make_shared<impl>(io, how, core, upstream, std::move(calls)))
{
}

server::~server()
{
    stop();
}

void server::serve_udp(int fd)
{
    auto listener = std::make_shared<udp_listener>(impl_->io, fd);
    listener->socket.want_destinations();
    impl_->udp_listeners.push_back(listener);
    impl_->spawn(impl::read_datagrams(impl_, std::move(listener)));
}

void server::serve_tcp(int listen_fd)
{
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(listen_fd, reinterpret_cast<sockaddr*>(&address), &size);
    const auto family = address.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
    auto acceptor = std::make_shared<asio::ip::tcp::acceptor>(impl_->io, family, listen_fd);
    impl_->acceptors.push_back(acceptor);
    impl_->spawn(impl::accept_all(impl_, std::move(acceptor)));
}

void server::serve_stream(asio::ip::tcp::socket socket, std::shared_ptr<void> place)
{
    if (!impl_->stopped) impl_->start(std::move(socket), std::move(place));
}

void server::stop()
{
    impl_->stop();
}

std::size_t server::tcp_connections() const noexcept
{
    return static_cast<std::size_t>(
        std::count_if(impl_->connections.begin(), impl_->connections.end(), [](const auto& c) { return !c.expired(); }));
}

struct shared_datagrams::impl {
    static asio::awaitable<void> read(std::shared_ptr<impl> self);
    /// What goes wrong with one datagram ends nothing else.
    void take(const udp_path& path, byte_view message) const
    {
        try {
            if (const auto owner = find(endpoint_of(path.peer).address, path.mark))
                owner->impl_->take_shared(message, path, listener);
        }
        catch (const std::exception&) {
            report_failure(std::current_exception(), on_failure);
        }
    }

    std::shared_ptr<udp_listener> listener;
    finder find;
    std::function<void(std::uint32_t)> on_lost;
    std::function<void(std::string_view)> on_failure;
};

asio::awaitable<void> shared_datagrams::impl::read(std::shared_ptr<impl> self)
{
    const auto token = asio::as_tuple(asio::use_awaitable);
    auto& socket = self->listener->socket;
    for (;;) {
        const auto [ec] = co_await self->listener->descriptor.async_wait(asio::posix::descriptor_base::wait_read, token);
        if (ec || !self->listener->descriptor.is_open()) co_return;
        for (int n = 0; n < batches_per_wake_up; ++n) {
            const auto count = socket.receive();
            if (const auto lost = socket.take_lost(); lost != 0) self->on_lost(lost);
            for (std::size_t i = 0; i < count; ++i) self->take(socket.path(i), socket.datagram(i));
            if (!self->listener->descriptor.is_open()) co_return;
            socket.flush();
            if (count < udp_socket::batch) break;
        }
    }
}

shared_datagrams::shared_datagrams(asio::io_context& io, int fd, finder find, std::function<void(std::uint32_t)> on_lost,
                                   std::function<void(std::string_view)> on_failure)
    : impl_(std::make_shared<impl>(
          impl{std::make_shared<udp_listener>(io, fd), std::move(find), std::move(on_lost), std::move(on_failure)}))
{
    impl_->listener->socket.want_destinations();
    auto on_end = [self = impl_](std::exception_ptr failed) { report_failure(failed, self->on_failure); };
    asio::co_spawn(io, impl::read(impl_), std::move(on_end));
}

shared_datagrams::~shared_datagrams()
{
    stop();
}

bool shared_datagrams::want_marks()
{
    return impl_->listener->socket.want_marks();
}

void shared_datagrams::stop()
{
    boost::system::error_code ignored;
    if (!impl_->listener->descriptor.is_open()) return;
    if (const auto lost = impl_->listener->socket.take_all_lost(); lost != 0) impl_->on_lost(lost);
    impl_->listener->descriptor.close(ignored);
}

} // namespace cofferdam::dns
