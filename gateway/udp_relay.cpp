#include "gateway/udp_relay.hpp"

#include "core/io/coroutine.hpp"
#include "core/io/own_mark.hpp"
#include "gateway/dial.hpp"
#include "gateway/encrypted_dns.hpp"
#include "gateway/evidence.hpp"
#include "gateway/spawn.hpp"
#include "gateway/worker.hpp"
#include "nft/io/datagram.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <map>
#include <netinet/in.h>
#include <utility>

namespace cofferdam::gateway {
namespace {

using asio::ip::udp;
constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t max_datagram = 65535;
constexpr std::chrono::seconds attempt_window{10};
constexpr unsigned max_burst = 64;                  // datagrams before others of the worker get their turn
constexpr std::size_t max_waiting_bytes = 1U << 20; // of all flows together
constexpr std::size_t max_waiting = 16;             // datagrams that came before the upstream was dialled

/// One socket of a port, in the job's namespace.
struct relay_socket {
    relay_socket(asio::io_context& context, int number, std::uint16_t at) : descriptor(context, number), port(at) {}
    asio::posix::stream_descriptor descriptor;
    std::uint16_t port;
    std::uint32_t lost = 0; // datagrams that the kernel dropped here, as far as they were noted

    /// Counts those dropped since the last call: no flow knows of them.
    void note_lost(job_context& job)
    {
        const auto total = nft::dropped_datagrams(descriptor.native_handle());
        const auto more = total - std::exchange(lost, total);
        if (more != 0) job.lost().note(more);
    }
};

struct datagram_flow final : expirable {
    datagram_flow(worker& w, std::shared_ptr<relay_socket> from)
        : downstream(std::move(from)), upstream(w.context()), remembered(w.context()), registration(w, *this)
    {
    }
    void expire() noexcept override
    {
        boost::system::error_code ignored;
        ended = true;
        upstream.close(ignored);
        remembered.cancel();
    }

    std::shared_ptr<relay_socket> downstream;
    udp::socket upstream;
    asio::steady_timer remembered; // of a refused flow: until then its datagrams are the same attempt
    connection_facts facts;        // `standing` is the verdict
    std::vector<std::vector<std::uint8_t>> waiting;
    relay_totals totals;
    bool connected = false;
    bool ended = false;
    worker::registration registration;
};

class relay_service : public std::enable_shared_from_this<relay_service> {
public:
    explicit relay_service(worker& w) : worker_(w) {}

    void serve(nft::descriptor socket, std::uint16_t port)
    {
        if (!socket) return;
        auto from = std::make_shared<relay_socket>(worker_.context(), socket.release(), port);
        sockets_.push_back(from);
        spawn_counted(worker_.context(), worker_.job(), read_loop(shared_from_this(), from));
    }

    void stop()
    {
        boost::system::error_code ignored;
        stopping_ = true;
        for (auto& each : sockets_) {
            each->note_lost(worker_.job());
            each->descriptor.close(ignored);
        }
        worker_.job().lost().flush();
        for (auto& each : flows_) each.second->expire();
    }

private:
    using flow_key = std::pair<ip_endpoint, ip_endpoint>;

    asio::awaitable<void> read_loop(std::shared_ptr<relay_service> self, std::shared_ptr<relay_socket> from)
    {
        std::vector<std::uint8_t> buffer(max_datagram);
        while (from->descriptor.is_open()) {
            auto [ec] = co_await from->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, use_tuple);
            if (ec) co_return;
            from->note_lost(worker_.job());
            for (unsigned n = 0; n < max_burst; ++n) {
                const auto got = nft::receive_datagram(from->descriptor.native_handle(), buffer);
                if (!got) break;
                take(from, *got, byte_view(buffer.data(), got->size));
            }
        }
        (void)self;
    }

    void take(const std::shared_ptr<relay_socket>& from, const nft::received_datagram& got, byte_view bytes)
    {
        const ip_endpoint destination{got.destination, from->port};
        const flow_key key{got.client, destination};
        auto found = flows_.find(key);
        if (found == flows_.end()) {
            if (flows_.size() >= worker_.job().settings().limits.max_udp_flows) return refuse_overload(got.client, destination);
            auto made = std::make_shared<datagram_flow>(worker_, from);
            made->facts.source.address = got.client;
            made->facts.destination = destination;
            found = flows_.emplace(key, made).first;
            spawn_counted(worker_.context(), worker_.job(), run(shared_from_this(), key, made));
        }
        auto& flow = *found->second;
        if (flow.connected)
            send_up(flow, bytes);
        else if (flow.waiting.size() < max_waiting && !flow.ended && waiting_bytes_ + bytes.size() <= max_waiting_bytes) {
            waiting_bytes_ += bytes.size();
            flow.waiting.emplace_back(bytes.begin(), bytes.end());
        }
    }

    void forget_waiting(datagram_flow& flow)
    {
        for (const auto& each : flow.waiting) waiting_bytes_ -= each.size();
        flow.waiting = {};
    }

    void send_up(datagram_flow& flow, byte_view bytes)
    {
        flow.arm(worker_.job().settings().limits.udp_idle_timeout);
        // A full socket buffer loses the datagram, as a network would.
        if (::send(flow.upstream.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            flow.totals.sent += bytes.size();
    }

    asio::awaitable<void> run(std::shared_ptr<relay_service> self, flow_key key, std::shared_ptr<datagram_flow> flow)
    {
        reason why = reason::internal_error;
        auto place = worker_.job().audit().reserve();
        if (place) {
            // What is left if the job ends while the process is looked for.
            place->draft() = connection_record(worker_.job(), flow->facts, "udp", flow->facts.standing, why);
            flow->facts.source.process =
                co_await worker_.job().find_process(worker_, flow->facts.source.address, flow->facts.destination, IPPROTO_UDP);
            judge(*flow);
            why = flow->facts.standing.why;
        }
        std::string detail;
        if (place && flow->facts.standing.allowed()) {
            why = co_await connect(flow, detail);
            if (why == reason::completed) co_await pass_back(flow);
        }
        flow->ended = true;
        forget_waiting(*flow);
        if (place) {
            const bool inside = is_refusal(why);
            const auto verdict = inside ? gateway_decision(why, policy::stage::connection) : flow->facts.standing;
            place->commit(connection_record(worker_.job(), flow->facts, "udp", verdict, why, std::move(detail), flow->totals));
        }
        if (!flow->connected && !stopping_) {
            flow->remembered.expires_after(attempt_window);
            co_await flow->remembered.async_wait(use_tuple);
        }
        flows_.erase(key);
        (void)self;
    }

    void judge(datagram_flow& flow)
    {
        flow.facts.bound_name = worker_.job().name_of(flow.facts.destination.address).value_or("");
        const auto attempt = datagram_attempt(flow.facts);
        flow.facts.standing = named_refusal(worker_.job().rules()->decide(attempt), attempt);
    }

    asio::awaitable<reason> connect(std::shared_ptr<datagram_flow> flow, std::string& detail)
    {
        const std::string host =
            flow->facts.bound_name.empty() ? flow->facts.destination.address.to_string() : flow->facts.bound_name;
        const candidates found = co_await find_candidates(worker_, host, flow->facts.destination.port, policy::transport::udp);
        detail = found.detail;
        if (found.addresses.empty()) co_return found.why;
        const auto address = asio::ip::make_address(found.addresses.front().to_string());
        const udp::endpoint where(address, flow->facts.destination.port);
        boost::system::error_code ec;
        flow->upstream.open(where.protocol(), ec);
        if (!ec && !mark_own(flow->upstream.native_handle())) ec = asio::error::no_permission;
        if (!ec) flow->upstream.connect(where, ec);
        if (ec) {
            detail = ec.message();
            co_return reason::connect_failed;
        }
        flow->facts.upstream = ip_endpoint{found.addresses.front(), flow->facts.destination.port}.to_string();
        flow->connected = true;
        for (const auto& each : flow->waiting) send_up(*flow, each);
        forget_waiting(*flow);
        co_return reason::completed;
    }

    asio::awaitable<void> pass_back(std::shared_ptr<datagram_flow> flow)
    {
        std::vector<std::uint8_t> buffer(max_datagram);
        while (!flow->ended) {
            auto [ec, size] = co_await flow->upstream.async_receive(asio::buffer(buffer), use_tuple);
            if (flow->ended) co_return;
            if (ec == asio::error::connection_refused) continue; // an ICMP error: the client finds out by silence, as UDP does
            if (ec) co_return;
            flow->arm(worker_.job().settings().limits.udp_idle_timeout);
            const byte_view bytes(buffer.data(), size);
            const auto failed = nft::send_datagram(flow->downstream->descriptor.native_handle(), bytes,
                                                   flow->facts.destination.address, flow->facts.source.address);
            if (!failed) flow->totals.received += size;
        }
    }

    void refuse_overload(const ip_endpoint& client, const ip_endpoint& destination)
    {
        const auto now = std::chrono::steady_clock::now();
        if (now - overloaded_ < std::chrono::seconds(1)) return; // a flood is one attempt a second
        connection_facts facts;
        facts.source.address = client;
        facts.destination = destination;
        const auto verdict = gateway_decision(reason::overload, policy::stage::connection);
        if (refuse_attempt(worker_.job(), facts, "udp", verdict, "limits.max_udp_flows is reached")) overloaded_ = now;
    }

    worker& worker_;
    bool stopping_ = false;
    std::size_t waiting_bytes_ = 0;
    std::chrono::steady_clock::time_point overloaded_{};
    std::vector<std::shared_ptr<relay_socket>> sockets_;
    std::map<flow_key, std::shared_ptr<datagram_flow>> flows_;
};

} // namespace

void relay_datagrams(worker& w, std::vector<nft::udp_relay> relays)
{
    if (relays.empty()) return;
    auto service = std::make_shared<relay_service>(w);
    for (auto& each : relays) {
        service->serve(std::move(each.v4), each.port);
        service->serve(std::move(each.v6), each.port);
    }
    w.at_stop([service] { service->stop(); });
}

} // namespace cofferdam::gateway
