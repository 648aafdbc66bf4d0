#include "gateway/evidence.hpp"

#include "gateway/flow.hpp"

namespace cofferdam::gateway {
namespace {

audit::connection_fields describe(flow& source, std::string_view protocol)
{
    const auto& facts = source.facts();
    audit::connection_fields out;
    out.protocol = protocol;
    out.host = facts.host.empty() ? facts.bound_name : facts.host;
    out.destination = facts.destination.to_string();
    out.upstream = facts.upstream;
    out.sni = facts.sni;
    out.alpn = facts.alpn;
    out.connection_id = facts.id;
    return out;
}

void write_connection(flow& source, audit::reservation& place, std::string_view protocol, const policy::decision& verdict,
                      reason why, std::string detail, const relay_totals& totals)
{
    audit::record entry = make_record(source, verdict);
    auto fields = describe(source, protocol);
    fields.close_reason = to_string(why);
    fields.detail = std::move(detail);
    fields.bytes_sent = totals.sent;
    fields.bytes_received = totals.received;
    entry.what = std::move(fields);
    place.commit(std::move(entry));
}

} // namespace

audit::decision_fields to_fields(const policy::decision& verdict)
{
    audit::decision_fields out;
    out.action = policy::to_string(verdict.act);
    out.would = policy::to_string(verdict.would);
    out.rule = verdict.rule;
    out.reason = to_string(verdict.why);
    out.alert = verdict.alert;
    out.stage = policy::to_string(verdict.at);
    out.hint = verdict.allowed() && verdict.would == policy::action::allow ? std::string() : verdict.hint;
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

audit::record make_record(flow& source, const policy::decision& verdict)
{
    const auto& facts = source.facts();
    audit::record out;
    out.time = facts.began;
    out.duration = std::chrono::steady_clock::now() - facts.began_steady;
    out.job = source.job().id();
    out.source = facts.source;
    out.decision = to_fields(verdict);
    return out;
}

namespace {

void record_connection(flow& source, std::string_view protocol, const policy::decision& verdict, reason why, std::string detail)
{
    auto place = source.job().audit().reserve();
    if (!place) {
        source.job().metrics().connection(audit::connection_kind::tcp, audit::verdict_label::deny);
        return;
    }
    write_connection(source, *place, protocol, verdict, why, std::move(detail), {});
}

} // namespace

void refuse_connection(flow& source, std::string_view protocol, const policy::decision& verdict, std::string detail)
{
    record_connection(source, protocol, verdict, verdict.why, std::move(detail));
}

void close_unused(flow& source, std::string_view protocol, reason why, std::string detail)
{
    // Nothing was sent on. But an attempt to reach what the policy refuses is a refused one, whoever hung up first.
    policy::decision verdict = source.facts().standing;
    if (verdict.would == policy::action::allow) verdict.why = why;
    record_connection(source, protocol, verdict, why, std::move(detail));
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
    if (why == reason::upstream_verify_failed || is_refusal(why)) {
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
    write_connection(source_, *place_, protocol_, verdict_, why, std::move(detail), totals);
    place_.reset();
}

std::unique_ptr<connection_evidence> open_connection_evidence(flow& source, std::string_view protocol,
                                                              const policy::decision& verdict)
{
    auto place = source.job().audit().reserve();
    if (!place) {
        source.job().metrics().connection(audit::connection_kind::tcp, audit::verdict_label::deny);
        return nullptr;
    }
    return std::make_unique<connection_evidence>(source, protocol, verdict, std::move(*place));
}

} // namespace cofferdam::gateway
