#include "gateway/evidence.hpp"

#include "gateway/flow.hpp"

namespace cofferdam::gateway {
namespace {

audit::connection_fields describe(const connection_facts& facts, std::string_view protocol)
{
    audit::connection_fields out;
    out.protocol = protocol;
    out.host = facts.host.empty() ? facts.bound_name : facts.host;
    // Protocols without ports, and later fragments.
    out.destination = facts.destination.port ? facts.destination.to_string() : facts.destination.address.to_string();
    out.upstream = facts.upstream;
    out.sni = facts.sni;
    out.alpn = facts.alpn;
    out.connection_id = facts.id;
    return out;
}

std::string joined(const std::string& found, std::string detail)
{
    if (found.empty() || detail.empty()) return found + detail;
    return found + "; " + detail;
}

} // namespace

void fill(audit::decision_fields& out, const policy::decision& verdict)
{
    out.action = policy::to_string(verdict.act);
    out.would = policy::to_string(verdict.would);
    out.rule = verdict.rule;
    out.reason = to_string(verdict.why);
    out.alert = verdict.alert;
    out.stage = policy::to_string(verdict.at);
    if (verdict.allowed() && verdict.would == policy::action::allow)
        out.hint.clear();
    else
        out.hint = verdict.hint;
}

audit::decision_fields to_fields(const policy::decision& verdict)
{
    audit::decision_fields out;
    fill(out, verdict);
    return out;
}

policy::decision gateway_decision(reason why, policy::stage at, std::string hint)
{
    policy::decision out;
    out.at = at;
    out.why = why;
    out.hint = std::move(hint);
    return out;
}

audit::record make_record(const job_context& job, const connection_facts& facts, const policy::decision& verdict)
{
    audit::record out;
    fill(out, job, facts, verdict);
    return out;
}

void fill(audit::record& out, const job_context& job, const connection_facts& facts, const policy::decision& verdict)
{
    out.time = facts.began;
    out.duration = std::chrono::steady_clock::now() - facts.began_steady;
    out.job = job.id();
    out.source = facts.source;
    fill(out.decision, verdict);
}

audit::record connection_record(const job_context& job, const connection_facts& facts, std::string_view protocol,
                                const policy::decision& verdict, reason why, std::string detail, const relay_totals& totals)
{
    audit::record out = make_record(job, facts, verdict);
    auto fields = describe(facts, protocol);
    fields.close_reason = to_string(why);
    fields.detail = joined(verdict.detail, std::move(detail));
    fields.bytes_sent = totals.sent;
    fields.bytes_received = totals.received;
    out.what = std::move(fields);
    return out;
}

namespace {

bool write_connection(job_context& job, const connection_facts& facts, std::string_view protocol, const policy::decision& verdict,
                      reason why, std::string detail)
{
    auto place = job.audit().reserve();
    if (!place) {
        job.metrics().connection(audit::kind_of(protocol), audit::verdict_label::deny);
        return false;
    }
    place->commit(connection_record(job, facts, protocol, verdict, why, std::move(detail)));
    return true;
}

} // namespace

bool refuse_attempt(job_context& job, const connection_facts& facts, std::string_view protocol, const policy::decision& verdict,
                    std::string detail)
{
    return write_connection(job, facts, protocol, verdict, verdict.why, std::move(detail));
}

void record_alert(job_context& job, std::string name, std::string message)
{
    auto place = job.audit().reserve();
    if (!place) return;
    policy::decision none;
    none.act = none.would = policy::action::allow;
    none.why = reason::completed;
    auto entry = make_record(job, {}, none);
    entry.what = audit::alert_fields{std::move(name), std::move(message)};
    place->commit(std::move(entry));
}

void refuse_connection(flow& source, std::string_view protocol, const policy::decision& verdict, std::string detail)
{
    write_connection(source.job(), source.facts(), protocol, verdict, verdict.why, std::move(detail));
}

void close_unused(flow& source, std::string_view protocol, reason why, std::string detail)
{
    // Nothing was sent on. But an attempt to reach what the policy refuses is a refused one, whoever hung up first.
    policy::decision verdict = source.facts().standing;
    if (verdict.would == policy::action::allow) verdict.why = why;
    write_connection(source.job(), source.facts(), protocol, verdict, why, std::move(detail));
}

connection_evidence::connection_evidence(flow& source, std::string_view protocol, const policy::decision& verdict,
                                         audit::reservation place)
    : source_(source), protocol_(protocol), verdict_(verdict), place_(std::move(place))
{
}

connection_evidence::~connection_evidence()
{
    try {
        if (place_) write(reason::internal_error, {}, {});
    }
    catch (...) { // no memory: the reservation writes the record of its draft
    }
}

void connection_evidence::finish(const relay_totals& totals)
{
    write(totals.why, {}, totals);
}

void connection_evidence::fail(reason why, std::string detail)
{
    if (is_dial_refusal(why)) {
        verdict_ = gateway_decision(why, policy::stage::connection);
    }
    write(why, std::move(detail), {});
}

void connection_evidence::cancel() noexcept
{
    if (place_) place_->cancel();
    place_.reset();
}

void connection_evidence::write(reason why, std::string detail, const relay_totals& totals)
{
    if (!place_) return;
    place_->commit(connection_record(source_.job(), source_.facts(), protocol_, verdict_, why, std::move(detail), totals));
    place_.reset();
}

std::unique_ptr<connection_evidence> open_connection_evidence(flow& source, std::string_view protocol,
                                                              const policy::decision& verdict)
{
    auto place = source.job().audit().reserve();
    if (!place) {
        source.job().metrics().connection(audit::kind_of(protocol), audit::verdict_label::deny);
        return nullptr;
    }
    return std::make_unique<connection_evidence>(source, protocol, verdict, std::move(*place));
}

} // namespace cofferdam::gateway
