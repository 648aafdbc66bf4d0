#include "gateway/job_dns.hpp"

#include "dns/io/server.hpp"
#include "dns/resolver.hpp"
#include "gateway/address_guard.hpp"
#include "gateway/encrypted_dns.hpp"
#include "gateway/evidence.hpp"
#include "gateway/name_policy.hpp"
#include "gateway/worker.hpp"

namespace cofferdam::gateway {
namespace {

// Every field: `out` may be what an earlier record left.
void fill(audit::decision_fields& out, const dns::policy_answer& verdict)
{
    const auto text = [](bool allowed) { return policy::to_string(allowed ? policy::action::allow : policy::action::deny); };
    out.action = text(verdict.allowed);
    out.would = text(verdict.would_allow);
    out.rule = verdict.rule;
    out.reason = to_string(verdict.why);
    out.stage = policy::to_string(policy::stage::name);
    out.hint = verdict.allowed && verdict.would_allow ? std::string_view() : std::string_view(verdict.hint);
    out.alert = false;
}

void fill(audit::dns_fields& out, const dns::query_facts& facts)
{
    out.qname = facts.qname;
    out.qtype = facts.qtype;
    out.transport = facts.how == dns::transport::udp ? "udp" : "tcp";
    out.rcode = facts.rcode;
    out.answers = facts.answers;
    out.tier = facts.paid ? dns::to_string(facts.paid->tier) : std::string_view();
    out.key = facts.paid ? facts.paid->key.view() : std::string_view();
    out.cost_bits = facts.paid ? facts.paid->price / 8.0 : 0;
    out.spent_bits = facts.paid ? facts.paid->spent / 8.0 : 0;
}

/// Lives as long as its worker's io_context runs.
class job_names {
public:
    explicit job_names(worker& w)
        : job_(w.job()), core_(job_.settings().dns, job_.bindings(), job_.inspector(), make_resolver_calls()),
          server_(w.context(), job_.settings().dns, core_, w.resolver(), make_server_calls())
    {
    }

    dns::server& server() noexcept { return server_; }

private:
    dns::resolver::callbacks make_resolver_calls()
    {
        dns::resolver::callbacks out;
        out.unanswered = [this](std::string_view name, std::uint16_t qtype) { job_.budget().unanswered(name, qtype); };
        out.address_allowed = [this](std::string_view name, const ip_address& address) {
            return may_resolve(*job_.rules(), job_.settings(), name, address);
        };
        out.ready = &job_.ready_answers();
        return out;
    }

    dns::server::callbacks make_server_calls()
    {
        dns::server::callbacks out;
        out.on_record = [this](const dns::query_facts& facts) { return record_query(job_, facts); };
        out.on_lost = [this](std::uint32_t count) { job_.lost().note(count); };
        out.on_failure = [this](std::string_view what) { job_.count_internal_error(what); };
        return out;
    }

    job_context& job_;
    dns::resolver core_;
    dns::server server_;
};

} // namespace

dns::policy_answer judge_name(job_context& job, std::string_view name, std::uint16_t qtype)
{
    // What can't be recorded is not asked (law 5); the queue may still fill up before the answer, then the answer is refused.
    if (!job.audit().has_room()) return to_policy_answer(gateway_decision(reason::audit_failed, policy::stage::name));
    const policy::name_query query{name, qtype};
    const auto rules = job.rules();
    auto out = to_policy_answer(named_refusal(rules->decide(query), query));
    out.rules = rules->number();
    return out;
}

void alert_of_charge(job_context& job, const dns::charge& paid, const ip_endpoint& source)
{
    if (!paid.first_refusal && !paid.first_over_job) return;
    job.metrics().dns_budget_alert();
    auto place = job.audit().reserve();
    if (!place) return; // counted; the queries themselves are refused or recorded one by one
    audit::record entry;
    entry.time = std::chrono::system_clock::now();
    entry.job = job.id();
    entry.source.address = source;
    policy::decision verdict = gateway_decision(reason::exfiltration_budget, policy::stage::name);
    if (paid.allowed) verdict.act = policy::action::allow;
    entry.decision = to_fields(verdict);
    std::string message = paid.first_refusal ? dns::explain(paid) : std::string(paid.key.view());
    if (paid.over_job_limit) message += "; unknown domains together have reached dns.exfiltration.job_bits";
    entry.what = audit::alert_fields{"dns exfiltration budget", std::move(message)};
    place->commit(std::move(entry));
}

bool record_query(job_context& job, const dns::query_facts& facts)
{
    if (facts.paid) alert_of_charge(job, *facts.paid, facts.source);
    auto place = job.audit().reserve_used();
    if (!place) {
        job.metrics().dns_query(audit::verdict_label::deny, reason::audit_failed);
        return false;
    }
    auto& entry = place->draft();
    entry.duration = facts.duration;
    entry.time =
        std::chrono::system_clock::now() - std::chrono::duration_cast<std::chrono::system_clock::duration>(facts.duration);
    entry.job = job.id();
    entry.source.address = facts.source;
    entry.source.process.reset();
    fill(entry.decision, facts.decision);
    auto* fields = std::get_if<audit::dns_fields>(&entry.what);
    fill(fields != nullptr ? *fields : entry.what.emplace<audit::dns_fields>(), facts);
    place->commit();
    return true;
}

std::shared_ptr<dns::server> make_names(worker& w)
{
    auto names = std::make_shared<job_names>(w);
    w.at_stop([names, &job = w.job()] {
        names->server().stop();
        job.lost().flush();
    });
    return {names, &names->server()};
}

void serve_names(worker& w, nft::sealed_descriptors& network)
{
    const auto server = make_names(w);
    server->serve_udp(network.names_udp_v4.release());
    server->serve_tcp(network.names_tcp_v4.release());
    if (network.names_udp_v6) server->serve_udp(network.names_udp_v6.release());
    if (network.names_tcp_v6) server->serve_tcp(network.names_tcp_v6.release());
}

} // namespace cofferdam::gateway
