#include "gateway/queued_names.hpp"

#include "core/dns_shape.hpp"
#include "dns/message.hpp"
#include "dns/refusal.hpp"
#include "gateway/connection_facts.hpp"
#include "gateway/evidence.hpp"
#include "gateway/job_context.hpp"
#include "gateway/job_dns.hpp"
#include "nft/io/send_packet.hpp"
#include "nft/packet.hpp"
#include "nft/query_shape.hpp"
#include "policy/hint.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace cofferdam::gateway {
namespace {

/// Addresses at which the rules let an answer in another server's name through. A client that bound itself to any other (AnyIP
/// makes them all local) gets its refusal from the resolver.
bool is_own(const ip_address& address) noexcept
{
    static const nft::sealed_addresses own;
    return address == own.job_v4 || address == own.job_v6 || address.scope() == ip_scope::loopback;
}

connection_facts facts_of(const job_context& job, const nft::udp_datagram& datagram)
{
    connection_facts out;
    out.source.address = datagram.source;
    out.destination = datagram.destination;
    out.bound_name = job.name_of(datagram.destination.address).value_or("");
    return out;
}

/// REFUSED with an Extended DNS Error that says why; empty for what can't be answered.
std::vector<std::uint8_t> refusal_of(byte_view query, const policy::decision& verdict, std::string_view destination)
{
    const auto parsed = dns::parse_query(query);
    if (!parsed && parsed.error().fault == dns::query_fault::not_a_query) return {};
    const dns::query_head head = parsed ? static_cast<const dns::query_head&>(*parsed) : parsed.error().head;
    const dns::extended_error why{dns::ede_code::blocked, dns::explain_refusal(verdict.why, destination, verdict.hint)};
    return dns::build_reply(head, {dns::rcode::refused, {}, why}, dns::transport::udp);
}

std::string describe_question(byte_view query)
{
    const auto parsed = dns::parse_query(query);
    if (!parsed) return "a DNS query that is not well-formed";
    return "a query for " + std::string(parsed->text.view()) + ' ' + dns::type_text(parsed->qtype);
}

} // namespace

query_inspector inspector_of(job_context& job)
{
    return [&job](byte_view query, const ip_endpoint& client) {
        return job.inspector().inspect(query, dns::transport::udp, client, 0, dns::clock::now());
    };
}

datagram_judge::datagram_judge(job_context& job, query_inspector inspect, packet_sender send, answerable answers)
    : job_(job), inspect_(std::move(inspect)), send_(std::move(send)), answers_(answers ? std::move(answers) : is_own)
{
}

nft::queue_verdict datagram_judge::judge(const nft::queued_packet& packet) const
{
    const auto datagram = nft::parse_udp(packet.bytes);
    if (!datagram) return refuse_unreadable(packet.bytes, datagram.error());
    if (!datagram->whole) return refuse_unreadable(packet.bytes, make_error_code(errc::too_large));
    return datagram->destination.port == nft::dns_port ? inspect(*datagram) : judge_other_port(*datagram);
}

nft::queue_verdict datagram_judge::inspect(const nft::udp_datagram& datagram) const
{
    auto said = inspect_(datagram.payload, datagram.source);
    if (const auto* nothing = std::get_if<dns::drop>(&said)) {
        record_query(job_, nothing->facts);
        return drop();
    }
    // The resolver and the relay answer whom no packet from here would reach, and a relay's flow is never answered for it.
    const bool is_names = datagram.destination.port == nft::dns_port;
    const bool may_answer = answers_(datagram.source.address);
    if (auto* free = std::get_if<dns::passed>(&said)) {
        if (is_names && may_answer) {
            if (const auto known = job_.ready_answers().find(*free, dns::clock::now())) return answer_query(datagram, *known);
        }
        if (free->paid) alert_of_charge(job_, *free->paid, datagram.source);
        return accept();
    }
    const auto& made = std::get<dns::answer>(said);
    if (!is_names || may_answer) return answer_query(datagram, made);
    if (made.facts.paid) alert_of_charge(job_, *made.facts.paid, datagram.source);
    return accept();
}

nft::queue_verdict datagram_judge::answer_query(const nft::udp_datagram& datagram, const dns::answer& made) const
{
    if (!record_query(job_, made.facts)) return drop();
    answer(datagram, made.bytes);
    job_.metrics().packet(made.facts.decision.allowed ? audit::packet_verdict::answer : audit::packet_verdict::reject);
    return nft::queue_verdict::drop;
}

nft::queue_verdict datagram_judge::refuse_unreadable(byte_view packet, const error_code& why) const
{
    connection_facts facts;
    if (const auto ip = nft::parse_packet(packet)) {
        facts.source.address.address = ip->source;
        facts.destination.address = ip->destination;
    }
    refuse_attempt(job_, facts, "udp", gateway_decision(reason::malformed_query, policy::stage::connection),
                   "a datagram that can't be read: " + why.message());
    return drop();
}

/// A port that an entry opens is the relay's, which judges the flow; queries on it have to pass like any other first.
nft::queue_verdict datagram_judge::judge_other_port(const nft::udp_datagram& datagram) const
{
    // Counts that no strict parser takes may still please a server: the inspector refuses those by their shape.
    if (!nft::has_query_shape(datagram.payload) && !looks_like_dns(datagram.payload)) return accept();
    const auto rules = job_.rules();
    const auto facts = facts_of(job_, datagram);
    const auto& carried = rules->udp_ports();
    policy::decision verdict;
    if (std::binary_search(carried.begin(), carried.end(), datagram.destination.port))
        verdict = rules->decide(datagram_attempt(facts));
    if (verdict.allowed()) return inspect(datagram);
    if (verdict.why != reason::denied_by_rule)
        verdict =
            gateway_decision(reason::dns_on_other_port, policy::stage::connection, policy::hint_for(datagram_attempt(facts)));
    return refuse_other_port(datagram, facts, verdict);
}

nft::queue_verdict datagram_judge::refuse_other_port(const nft::udp_datagram& datagram, const connection_facts& facts,
                                                     const policy::decision& verdict) const
{
    if (!refuse_attempt(job_, facts, "udp", verdict, describe_question(datagram.payload))) return drop();
    const auto reply = refusal_of(datagram.payload, verdict, datagram.destination.to_string());
    if (reply.empty()) return drop();
    answer(datagram, reply);
    job_.metrics().packet(audit::packet_verdict::reject);
    return nft::queue_verdict::drop;
}

nft::queue_verdict datagram_judge::accept() const
{
    job_.metrics().packet(audit::packet_verdict::accept);
    return nft::queue_verdict::accept;
}

nft::queue_verdict datagram_judge::drop() const
{
    job_.metrics().packet(audit::packet_verdict::drop);
    return nft::queue_verdict::drop;
}

void datagram_judge::answer(const nft::udp_datagram& to, byte_view message) const
{
    if (!answers_(to.source.address)) return;
    std::array<std::uint8_t, nft::max_udp_headers + dns::max_udp_size> packet{};
    const auto size = nft::write_udp(packet, to.destination, to.source, message);
    if (size) send_(byte_view(packet).first(*size), to.source.address);
}

/// One queue's thread: its answers leave in the batches in which the queries came.
struct queued_names::consumer {
    consumer(job_context& owner, int answers_v4, int answers_v6)
        : job(owner), v4(answers_v4), v6(answers_v6),
          judge(job, inspector_of(job), [this](byte_view packet, const ip_address& destination) {
              (destination.is_v4() ? v4 : v6).add(packet, destination);
          })
    {
    }

    nft::queue_calls calls()
    {
        nft::queue_calls out;
        out.judge = [this](const nft::queued_packet& packet) { return judge.judge(packet); };
        out.judged = [this] {
            v4.flush();
            v6.flush();
        };
        out.lost = [this](std::uint32_t count) { job.lost().note(count); };
        out.failure = [this](std::string_view what) { job.count_internal_error(what); };
        return out;
    }

    job_context& job;
    nft::packet_batch v4, v6;
    datagram_judge judge;
};

queued_names::consumers queued_names::make_consumers(job_context& job, std::size_t count, int answers_v4, int answers_v6)
{
    consumers out;
    while (out.size() < count) out.push_back(std::make_unique<consumer>(job, answers_v4, answers_v6));
    return out;
}

queued_names::queued_names(job_context& job, nft::sealed_descriptors& network)
    : job_(job), answers_v4_(std::move(network.answers_v4)), answers_v6_(std::move(network.answers_v6)),
      consumers_(make_consumers(job, network.queues.size(), answers_v4_.number(), answers_v6_.number())),
      threads_(std::exchange(network.queues, {}), 0, static_cast<std::uint32_t>(job.settings().dns.queue_copy_range),
               [this](std::size_t n) { return consumers_.at(n)->calls(); })
{
}

queued_names::~queued_names()
{
    stop();
}

void queued_names::start()
{
    threads_.start();
}

void queued_names::stop()
{
    threads_.stop();
    job_.lost().flush();
}

} // namespace cofferdam::gateway
