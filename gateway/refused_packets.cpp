#include "gateway/refused_packets.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/encrypted_dns.hpp"
#include "gateway/evidence.hpp"
#include "gateway/recent_attempts.hpp"
#include "gateway/spawn.hpp"
#include "gateway/worker.hpp"
#include "nft/nflog.hpp"
#include "nft/ruleset_parts.hpp"
#include "policy/hint.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <netinet/in.h>
#include <utility>
#include <vector>

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds attempt_window{10};
constexpr std::size_t max_attempts = 4096;
constexpr std::size_t datagram_size = 65536;

using clock = std::chrono::steady_clock;

// What is known of a packet beside its ends.
std::string describe_packet(const nft::refused_packet& packet, bool sender_known)
{
    std::string out;
    const bool v4 = packet.protocol == IPPROTO_ICMP;
    if ((v4 || packet.protocol == IPPROTO_ICMPV6) && packet.payload.size() == 2) {
        const unsigned type = packet.payload[0];
        const bool echo = type == (v4 ? 8U : 128U);
        out = echo ? "echo request" : "type " + std::to_string(type) + " code " + std::to_string(packet.payload[1]);
        out += ", ";
    }
    out += std::to_string(packet.length) + " bytes";
    if (packet.prefix == nft::foreign_prefix) out += ", its source is not of the interface that it came by";
    if (packet.uid && !sender_known) out += ", of uid " + std::to_string(*packet.uid);
    return out;
}

/// The job may end while the process of a packet is looked for: what is known by then is its record.
class settled_at_end {
public:
    explicit settled_at_end(audit::reservation& place) noexcept : place_(place) {}
    ~settled_at_end()
    {
        if (!place_.spent()) place_.commit();
    }
    settled_at_end(const settled_at_end&) = delete;
    settled_at_end& operator=(const settled_at_end&) = delete;

private:
    audit::reservation& place_;
};

class recorder {
public:
    recorder(worker& home, nft::descriptor log, worker_of find)
        : home_(home), find_(std::move(find)), log_(home.context(), log.release())
    {
    }

    asio::awaitable<void> run(std::shared_ptr<recorder> self)
    {
        (void)self;
        std::vector<std::uint8_t> datagram(datagram_size);
        for (;;) {
            auto [ec, size] = co_await log_.async_read_some(asio::buffer(datagram), use_tuple);
            if (ec == asio::error::operation_aborted || !log_.is_open()) co_return;
            if (ec) continue;
            const auto batch = nft::decode_log(byte_view(datagram.data(), size));
            if (!batch) continue;
            for (const auto& packet : batch->packets) co_await note(packet);
        }
    }

    void stop()
    {
        boost::system::error_code ignored;
        log_.close(ignored);
    }

private:
    std::shared_ptr<worker> worker_for(const nft::refused_packet& packet) const
    {
        if (find_) return find_(packet);
        return {std::shared_ptr<void>(), &home_};
    }

    asio::awaitable<void> note(const nft::refused_packet& packet)
    {
        if (packet.sequence) note_gap(sequence_.observe(*packet.sequence));
        home_.job().metrics().packet(audit::packet_verdict::reject);
        const auto owner = worker_for(packet);
        auto& job = owner->job();
        if (!seen_.is_new(job.id(), {packet.protocol, packet.source, packet.destination}, clock::now())) co_return;
        auto place = job.audit().reserve();
        if (!place) co_return; // nothing was let through, and the metric above counted it
        connection_facts facts;
        facts.source.address = packet.source;
        facts.destination = packet.destination;
        facts.bound_name = job.name_of(packet.destination.address).value_or("");
        const settled_at_end settled(*place);
        place->draft() = make_entry(job, packet, facts);
        facts.source.process = co_await job.find_process(*owner, packet.source, packet.destination, packet.protocol);
        place->commit(make_entry(job, packet, facts));
    }

    static audit::record make_entry(job_context& job, const nft::refused_packet& packet, const connection_facts& facts)
    {
        const auto verdict = judge(packet, facts);
        return connection_record(job, facts, nft::protocol_name(packet.protocol), verdict, verdict.why,
                                 describe_packet(packet, facts.source.process != nullptr));
    }

    static policy::decision judge(const nft::refused_packet& packet, const connection_facts& facts)
    {
        auto verdict = gateway_decision(reason::protocol_not_allowed, policy::stage::connection);
        if (packet.protocol != IPPROTO_UDP) return verdict;
        const auto attempt = datagram_attempt(facts);
        verdict.hint = policy::hint_for(attempt);
        return named_refusal(std::move(verdict), attempt);
    }

    void note_gap(std::uint32_t lost)
    {
        lost_ += lost;
        const auto now = clock::now();
        if (lost_ == 0 || now - alerted_ < std::chrono::seconds(1)) return;
        auto place = home_.job().audit().reserve();
        if (!place) return;
        audit::record entry;
        entry.time = std::chrono::system_clock::now();
        entry.job = home_.job().id();
        entry.decision = to_fields(gateway_decision(reason::protocol_not_allowed, policy::stage::connection));
        entry.what =
            audit::alert_fields{"refused packets not recorded", std::to_string(std::exchange(lost_, 0)) +
                                                                    " refused packets came faster than they could be recorded"};
        place->commit(std::move(entry));
        alerted_ = now;
    }

    worker& home_;
    worker_of find_;
    asio::posix::stream_descriptor log_;
    nft::log_sequence sequence_;
    recent_attempts seen_{max_attempts, attempt_window};
    clock::time_point alerted_{};
    std::uint64_t lost_ = 0;
};

} // namespace

std::function<void()> record_refused_packets(worker& home, nft::descriptor log, worker_of find)
{
    auto self = std::make_shared<recorder>(home, std::move(log), std::move(find));
    spawn_counted(home.context(), home.job(), self->run(self));
    return [self] { self->stop(); };
}

} // namespace cofferdam::gateway
