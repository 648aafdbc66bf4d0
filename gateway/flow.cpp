#include "gateway/flow.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/dial.hpp"
#include "gateway/encrypted_dns.hpp"
#include "gateway/evidence.hpp"
#include "gateway/http2_session.hpp"
#include "gateway/http_session.hpp"
#include "gateway/relay.hpp"
#include "gateway/sniff.hpp"
#include "gateway/spawn.hpp"
#include "gateway/tls_flow.hpp"
#include "gateway/upstream_pool.hpp"
#include "nft/io/original_dst.hpp"

#include <poll.h>

namespace cofferdam::gateway {
namespace {

constexpr std::chrono::milliseconds server_poll{50};

asio::awaitable<void> keep(std::shared_ptr<flow> self, arrival how)
{
    if (how == arrival::proxied)
        co_await self->run_proxied();
    else
        co_await self->run();
}

} // namespace

void reset_connection(tcp::socket& socket) noexcept
{
    boost::system::error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
}

// One record, no coroutine: this is the path that must stay cheap.
void refuse_overload(job_context& job, tcp::socket& socket, const ip_endpoint& client, const char* limit)
{
    connection_facts facts;
    facts.source.address = client;
    const auto destination = nft::original_dst(socket.native_handle());
    if (destination) facts.destination = *destination;
    refuse_attempt(job, facts, "tcp", gateway_decision(reason::overload, policy::stage::connection),
                   std::string(limit) + " is reached");
    reset_connection(socket);
}

void start_flow(worker& w, tcp::socket socket, const ip_endpoint& client, arrival how)
{
    auto& job = w.job();
    const char* limit = job.enter_connection();
    if (limit != nullptr && w.idle_upstreams().drop_all()) limit = job.enter_connection();
    if (limit != nullptr) {
        refuse_overload(job, socket, client, limit);
        return;
    }
    std::shared_ptr<flow> self;
    try {
        self = std::make_shared<flow>(w, std::move(socket), client);
    }
    catch (...) {
        job.leave_connection();
        throw;
    }
    spawn_counted(w.context(), job, keep(std::move(self), how));
}

flow::flow(worker& w, tcp::socket socket, const ip_endpoint& client)
    : worker_(w), socket_(std::move(socket)), registration_(w, *this)
{
    facts_.id = new_identifier();
    facts_.source.address = client;
}

flow::~flow()
{
    job().leave_connection();
}

void flow::arm(std::chrono::steady_clock::duration from_now) noexcept
{
    awaited_ = nullptr;
    expirable::arm(from_now);
}

void flow::arm_upstream(std::chrono::steady_clock::duration from_now, tls::stream& stream) noexcept
{
    awaited_ = &stream;
    expirable::arm(from_now);
}

void flow::expire() noexcept
{
    if (awaited_) {
        upstream_expired_ = true;
        std::exchange(awaited_, nullptr)->close();
        return;
    }
    expired_ = true;
    boost::system::error_code ignored;
    if (socket_.is_open()) socket_.close(ignored);
    for (auto* stream : watched_) {
        if (stream && relays_)
            reset_connection(stream->socket());
        else if (stream)
            stream->close();
    }
}

flow::watch::watch(flow& owner, tls::stream& stream) noexcept : owner_(owner), slot_(0)
{
    while (slot_ < owner_.watched_.size() && owner_.watched_[slot_]) ++slot_;
    if (slot_ < owner_.watched_.size()) owner_.watched_[slot_] = &stream;
    if (owner_.expired_) stream.close();
}

flow::watch::~watch()
{
    if (slot_ >= owner_.watched_.size()) return;
    if (owner_.awaited_ == owner_.watched_[slot_]) owner_.awaited_ = nullptr;
    owner_.watched_[slot_] = nullptr;
}

void flow::prepare_socket()
{
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
}

asio::awaitable<void> flow::run()
{
    prepare_socket();
    const auto destination = nft::original_dst(socket_.native_handle());
    if (!destination) {
        refuse_connection(*this, "tcp", gateway_decision(reason::own_address, policy::stage::connection), {});
        reset_connection(socket_);
        co_return;
    }
    facts_.destination = *destination;
    facts_.bound_name = job().name_of(destination->address).value_or("");
    auto process = co_await job().find_process(worker_, facts_.source.address, facts_.destination, IPPROTO_TCP);
    facts_.source.process = std::move(process);
    if (refuse_destination()) co_return;
    co_await dispatch();
}

// Destinations that no first byte could make right: refused at once.
bool flow::refuse_destination()
{
    const bool virtual_address = job().settings().dns.virtual_range.contains(facts_.destination.address);
    if (virtual_address && facts_.bound_name.empty()) {
        // An address that was never given out.
        refuse_connection(*this, "tcp", gateway_decision(reason::own_address, policy::stage::connection),
                          "a virtual address that no name has");
        reset_connection(socket_);
        return true;
    }
    return false;
}

asio::awaitable<void> flow::dispatch()
{
    const auto& limits = job().settings().limits;
    const auto rules = job().rules();
    policy::connection_attempt attempt;
    attempt.host = facts_.bound_name;
    attempt.destination = facts_.destination;
    attempt.source = &facts_.source;
    attempt.app = policy::application::opaque;
    // Where the name is known, or the address itself is listed, the server may be the one to speak first.
    const bool known = !facts_.bound_name.empty() || rules->decide(attempt).allowed();
    const auto patience = known ? limits.server_first_delay : limits.sniff_timeout;
    auto any = attempt;
    any.app = policy::application::unknown;
    facts_.standing = named_refusal(rules->decide(any), any);
    sniffed first =
        co_await sniff(socket_, job().settings().tls.max_client_hello, patience, job().settings().tls.handshake_timeout);
    if (first.what == first_bytes::silent && known && !rules->decide(attempt).allowed() && facts_.standing.allowed()) {
        // Not a stream that may be relayed, but HTTP or TLS may be, by a slow client: give it the whole time.
        first = co_await sniff(socket_, job().settings().tls.max_client_hello, limits.sniff_timeout,
                               job().settings().tls.handshake_timeout);
    }
    co_await serve(std::move(first));
}

asio::awaitable<void> flow::serve(sniffed first)
{
    switch (first.what) {
    case first_bytes::tls: co_await run_tls(shared_from_this(), std::move(first.hello)); break;
    case first_bytes::http: co_await run_http(); break;
    case first_bytes::http2: co_await run_http2(); break;
    case first_bytes::bad_tls:
        refuse_connection(*this, "tls", gateway_decision(reason::malformed_client_hello, policy::stage::connection), {});
        reset_connection(socket_);
        break;
    case first_bytes::opaque: co_await run_opaque(false); break;
    case first_bytes::silent: co_await run_opaque(true); break;
    case first_bytes::closed: close_unused(*this, "tcp", expired_ ? reason::client_timed_out : reason::client_closed); break;
    }
}

// Waits until the client sends something (what it is) or the server does (silent).
asio::awaitable<sniffed> flow::first_to_speak(tcp::socket& upstream)
{
    const auto& settings = job().settings();
    const auto until = std::chrono::steady_clock::now() + settings.limits.stream_idle_timeout;
    sniffed first{first_bytes::silent, {}};
    while (first.what == first_bytes::silent && std::chrono::steady_clock::now() < until) {
        pollfd server{upstream.native_handle(), POLLIN, 0};
        if (::poll(&server, 1, 0) != 0) break;
        first = co_await sniff(socket_, settings.tls.max_client_hello, server_poll, settings.tls.handshake_timeout);
    }
    co_return first;
}

asio::awaitable<void> flow::run_http()
{
    auto downstream = std::make_unique<tls::plain_stream>(std::move(socket_));
    http_session session(shared_from_this(), std::move(downstream), upstream_link{}, false);
    co_await session.run();
}

// Prior knowledge (RFC 9113, 3.3).
asio::awaitable<void> flow::run_http2()
{
    auto downstream = std::make_unique<tls::plain_stream>(std::move(socket_));
    auto session = std::make_shared<http2_session>(shared_from_this(), std::move(downstream), upstream_link{}, false);
    co_await session->run();
}

asio::awaitable<void> flow::run_opaque(bool silent)
{
    policy::connection_attempt attempt;
    attempt.app = policy::application::opaque;
    attempt.host = facts_.bound_name;
    attempt.destination = facts_.destination;
    attempt.source = &facts_.source;
    const auto rules = job().rules();
    auto verdict = rules->decide(attempt);
    if (!verdict.allowed()) {
        std::array<std::uint8_t, 512> sent; // room for a name and what stands before it
        const auto size = ::recv(socket_.native_handle(), sent.data(), sent.size(), MSG_PEEK | MSG_DONTWAIT);
        verdict =
            named_refusal(std::move(verdict), attempt, byte_view(sent.data(), size > 0 ? static_cast<std::size_t>(size) : 0));
        refuse_connection(*this, "tcp", verdict);
        reset_connection(socket_);
        co_return;
    }
    auto evidence = open_connection_evidence(*this, "tcp", verdict);
    if (!evidence) {
        reset_connection(socket_);
        co_return;
    }
    const std::string host = facts_.bound_name.empty() ? facts_.destination.address.to_string() : facts_.bound_name;
    dialled up = co_await dial(worker_, host, facts_.destination.port);
    if (up.why != reason::completed) {
        evidence->fail(up.why, up.detail);
        reset_connection(socket_);
        co_return;
    }
    facts_.upstream = up.peer.to_string();
    if (silent) {
        // Who is silent may still be a slow HTTP or TLS client, which must be opened and judged, not relayed.
        sniffed first = co_await first_to_speak(up.socket);
        if (first.what != first_bytes::silent && first.what != first_bytes::opaque) {
            evidence->cancel();
            facts_.upstream.clear();
            co_await serve(std::move(first));
            co_return;
        }
    }
    tls::plain_stream downstream(std::move(socket_));
    tls::plain_stream upstream(std::move(up.socket));
    const watch watch_downstream(*this, downstream);
    const watch watch_upstream(*this, upstream);
    const relay_totals totals = co_await relay(*this, downstream, upstream);
    evidence->finish(totals);
}

} // namespace cofferdam::gateway
