#include "gateway/entrance.hpp"

#include "dns/io/server.hpp"
#include "gateway/accept.hpp"
#include "gateway/asio_endpoint.hpp"
#include "gateway/connection_facts.hpp"
#include "gateway/evidence.hpp"
#include "gateway/flow.hpp"
#include "gateway/refused_packets.hpp"
#include "gateway/spawn.hpp"
#include "nft/io/original_dst.hpp"
#include "nft/io/send_packet.hpp"
#include "nft/nflog.hpp"
#include "nft/packet.hpp"

#include <boost/asio/post.hpp>
#include <future>

namespace cofferdam::gateway {
namespace {

/// Whoever dialled a listener by its own address was not redirected: to serve it would be a loop.
bool was_redirected(tcp::socket& socket)
{
    boost::system::error_code ec;
    const auto own = socket.local_endpoint(ec);
    const auto dialled = nft::original_dst(socket.native_handle());
    return !ec && dialled && *dialled != from_asio(own);
}

void refuse(job_context& job, tcp::socket& socket, const ip_endpoint& client, reason why, const char* detail)
{
    const auto dialled = nft::original_dst(socket.native_handle());
    connection_facts facts;
    facts.source.address = client;
    facts.destination = dialled ? *dialled : ip_endpoint{};
    refuse_attempt(job, facts, "tcp", gateway_decision(why, policy::stage::connection), detail);
    reset_connection(socket);
}

} // namespace

void answer_sender::send(byte_view packet, const ip_address& destination) const
{
    // A client that takes nothing any more loses its answer, as on any network.
    nft::send_packet((destination.is_v4() ? v4_ : v6_).number(), packet, destination);
}

entrance::entrance(job_table& jobs, const event_loops& loops, entrance_sockets given, std::uint16_t first_queue)
    : jobs_(jobs), loops_(loops), flows_(std::move(given.flows)),
      queries_(std::move(given.captured.queues), first_queue, static_cast<std::uint32_t>(own().settings().dns.queue_copy_range),
               [this](std::size_t) { return queue_calls(); }),
      knows_groups_(!flows_.empty())
{
    auto& sockets = given.captured;
    for (std::size_t i = 0; i < loops_.size(); ++i) {
        if (!given.proxies.empty()) accept_proxied(i, std::move(given.proxies.at(i)));
        for (auto* listeners : {&sockets.streams_v4, &sockets.streams_v6})
            if (!listeners->empty() && listeners->at(i)) accept_streams(i, std::move(listeners->at(i)));
    }
    for (auto* listener : {&sockets.names_tcp_v4, &sockets.names_tcp_v6})
        if (*listener) accept_names(std::move(*listener));
    for (auto* socket : {&sockets.names_udp_v4, &sockets.names_udp_v6})
        if (*socket) serve_names(std::move(*socket));
    if (!sockets.log) return;
    record_refused_packets(jobs_.fallback()->engine->on(0), std::move(sockets.log), [this](const nft::refused_packet& packet) {
        const auto job = jobs_.find(packet.source.address, packet.mark);
        return std::shared_ptr<worker>(job, &job->engine->on(0));
    });
}

entrance::~entrance()
{
    stop();
}

void entrance::start()
{
    queries_.start();
}

void entrance::stop()
{
    if (std::exchange(stopped_, true)) return;
    queries_.stop();
    for (std::size_t i = 0; i < loops_.size(); ++i) {
        if (!loops_[i]->runs()) {
            close(i);
            continue;
        }
        std::promise<void> closed;
        asio::post(loops_[i]->context(), [this, i, &closed] {
            close(i);
            closed.set_value();
        });
        closed.get_future().wait();
    }
}

void entrance::close(std::size_t loop)
{
    boost::system::error_code ignored;
    for (auto& each : acceptors_)
        if (each.first == loop) each.second->close(ignored);
    std::erase_if(acceptors_, [loop](const auto& each) { return each.first == loop; });
    if (loop == 0) names_.clear();
}

void entrance::keep(std::size_t loop, std::shared_ptr<tcp::acceptor> acceptor)
{
    acceptors_.emplace_back(loop, std::move(acceptor));
}

void entrance::accept_streams(std::size_t loop, nft::descriptor listener)
{
    auto& context = loops_[loop]->context();
    auto acceptor = make_acceptor(context, listener.release());
    keep(loop, acceptor);
    auto take = [this, loop](tcp::socket socket, const ip_endpoint& client) { admit(loop, std::move(socket), client); };
    spawn_counted(context, own(), accept_each(own(), acceptor, std::move(take)));
}

void entrance::accept_proxied(std::size_t loop, nft::descriptor listener)
{
    auto& context = loops_[loop]->context();
    auto acceptor = make_acceptor(context, listener.release());
    keep(loop, acceptor);
    auto take = [this, loop](tcp::socket socket, const ip_endpoint& client) {
        const auto job = owner_of(loop, socket, client);
        if (job) start_flow(job->engine->on(loop), std::move(socket), client, arrival::proxied);
    };
    spawn_counted(context, own(), accept_each(own(), acceptor, std::move(take)));
}

void entrance::admit(std::size_t loop, tcp::socket socket, const ip_endpoint& client)
{
    const auto job = owner_of(loop, socket, client);
    if (!job) return;
    if (was_redirected(socket)) return start_flow(job->engine->on(loop), std::move(socket), client);
    refuse(job->engine->context(), socket, client, reason::own_address, "the gateway's own port");
}

// Null: the connection was refused, for nobody can say whose it is.
shared_job entrance::owner_of(std::size_t loop, tcp::socket& socket, const ip_endpoint& client)
{
    if (!jobs_.has_groups() || flows_.empty()) return jobs_.find(client.address);
    boost::system::error_code ec;
    const auto reached = from_asio(socket.local_endpoint(ec));
    const auto mark = flows_.at(loop).find({nft::protocol::tcp, reached, client});
    if (mark) return jobs_.find(client.address, *mark);
    static_cast<void>(socket.remote_endpoint(ec)); // fails if the client has gone, as its flow has then
    const auto detail = "its control group is unknown: " + mark.error().message();
    refuse(own(), socket, client, ec ? reason::client_closed : reason::internal_error, detail.c_str());
    return nullptr;
}

void entrance::accept_names(nft::descriptor listener)
{
    auto& context = loops_.front()->context();
    auto acceptor = make_acceptor(context, listener.release());
    keep(0, acceptor);
    auto take = [this](tcp::socket socket, const ip_endpoint& client) {
        const auto job = owner_of(0, socket, client);
        if (!job) return;
        auto& owner = job->engine->context();
        const auto share = owner.connections();
        if (const char* limit = share->enter()) return refuse_overload(owner, socket, client, limit);
        const std::shared_ptr<void> place(share.get(), [share](void*) { share->leave(); });
        job->names->serve_stream(std::move(socket), place);
    };
    spawn_counted(context, own(), accept_each(own(), acceptor, std::move(take)));
}

void entrance::serve_names(nft::descriptor socket)
{
    auto find = [this](const ip_address& client, std::uint32_t mark) { return jobs_.find(client, mark)->names; };
    auto lost = [this](std::uint32_t count) { own().lost().note(count); };
    auto failed = [this](std::string_view what) { own().count_internal_error(what); };
    names_.push_back(std::make_unique<dns::shared_datagrams>(loops_.front()->context(), socket.release(), std::move(find),
                                                             std::move(lost), std::move(failed)));
    knows_groups_ = knows_groups_ && names_.back()->want_marks();
}

nft::queue_calls entrance::queue_calls()
{
    nft::queue_calls out;
    out.judge = [this](const nft::queued_packet& packet) {
        const auto head = nft::parse_packet(packet.bytes);
        const auto job = head ? jobs_.find(head->source, packet.mark) : jobs_.fallback();
        return job->judge.judge(packet);
    };
    out.lost = [this](std::uint32_t count) { own().lost().note(count); };
    out.failure = [this](std::string_view what) { own().count_internal_error(what); };
    return out;
}

} // namespace cofferdam::gateway
