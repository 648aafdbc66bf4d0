#pragma once

#include "dns/inspector.hpp"
#include "gateway/queue_threads.hpp"
#include "nft/io/sealed_network.hpp"
#include "nft/udp.hpp"
#include "policy/decision.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace cofferdam::gateway {

class job_context;
struct connection_facts;

/// dns::inspector::inspect. A query that passed goes on to the resolver, or to the relay of its port, which keeps its record.
/// Called from every queue's thread.
using query_inspector = std::function<dns::inspector::outcome(byte_view query, const ip_endpoint& client)>;
/// Sends a whole IP packet inside the job's namespace. Called from every queue's thread.
using packet_sender = std::function<void(byte_view packet, const ip_address& destination)>;

/// Whether an answer in another server's name reaches this client.
using answerable = std::function<bool(const ip_address& client)>;

query_inspector inspector_of(job_context& job);

/// The verdict on each datagram of the job that may be DNS, before it reaches anybody. A query is answered here if it is refused,
/// or passes and its answer is ready (dns::ready_answers), in the name of the server that it was sent to; a client's response is
/// dropped. What is dropped here has its one record from
/// here, what is accepted has it from whoever gets it. No record, no answer. Thread-safe.
class datagram_judge {
public:
    /// `answers`: without it, those of a sealed network. Whom it excludes has the refusal from the resolver.
    datagram_judge(job_context& job, query_inspector inspect, packet_sender send, answerable answers = {});

    nft::queue_verdict judge(const nft::queued_packet& packet) const;

private:
    nft::queue_verdict inspect(const nft::udp_datagram& datagram) const;
    nft::queue_verdict answer_query(const nft::udp_datagram& datagram, const dns::answer& made) const;
    nft::queue_verdict refuse_unreadable(byte_view packet, const error_code& why) const;
    nft::queue_verdict judge_other_port(const nft::udp_datagram& datagram) const;
    nft::queue_verdict refuse_other_port(const nft::udp_datagram& datagram, const connection_facts& facts,
                                         const policy::decision& verdict) const;
    nft::queue_verdict accept() const;
    nft::queue_verdict drop() const;
    void answer(const nft::udp_datagram& to, byte_view message) const;

    job_context& job_;
    query_inspector inspect_;
    packet_sender send_;
    answerable answers_;
};

/// The consumer of a sealed network's packet queues: one thread each. While it does not run, nothing that may be DNS passes.
class queued_names {
public:
    /// Judges by the job's inspector. Takes queues and answer sockets out of `network`.
    queued_names(job_context& job, nft::sealed_descriptors& network);
    ~queued_names(); ///< stop()
    queued_names(const queued_names&) = delete;
    queued_names& operator=(const queued_names&) = delete;

    void start();
    /// Waits until no thread is left; what is queued then is dropped. What was lost before is told to the last datagram.
    void stop();

private:
    struct consumer;
    using consumers = std::vector<std::unique_ptr<consumer>>;
    static consumers make_consumers(job_context& job, std::size_t count, int answers_v4, int answers_v6);

    job_context& job_;
    nft::descriptor answers_v4_, answers_v6_;
    consumers consumers_;
    queue_threads threads_;
};

} // namespace cofferdam::gateway
