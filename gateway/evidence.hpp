#pragma once

#include "audit/record.hpp"
#include "audit/writer.hpp"
#include "gateway/connection_facts.hpp"
#include "gateway/relay.hpp"
#include "policy/decision.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cofferdam::gateway {

class flow;
class job_context;

/// The decision's fields as records carry them.
audit::decision_fields to_fields(const policy::decision& verdict);
/// The same into a record that is used again.
void fill(audit::decision_fields& out, const policy::decision& verdict);

/// A refusal that is the gateway's own, not the policy's: shape, limits, failures.
policy::decision gateway_decision(reason why, policy::stage at, std::string hint = {});

/// A record with these facts filled in; `what` is the caller's.
audit::record make_record(const job_context& job, const connection_facts& facts, const policy::decision& verdict);
/// The same into a record that is used again; all but `what` is overwritten.
void fill(audit::record& out, const job_context& job, const connection_facts& facts, const policy::decision& verdict);

/// The record of a connection, or of a packet that none came of: the one place where these are put together. What the verdict
/// says in detail comes before `detail`.
audit::record connection_record(const job_context& job, const connection_facts& facts, std::string_view protocol,
                                const policy::decision& verdict, reason why, std::string detail = {},
                                const relay_totals& totals = {});

/// Writes the one record of what was refused before there was a flow. False where no record can be kept: it is counted in
/// the metrics then.
bool refuse_attempt(job_context& job, const connection_facts& facts, std::string_view protocol, const policy::decision& verdict,
                    std::string detail = {});

/// Writes an alert that is about no single attempt. Where no record can be kept there is none.
void record_alert(job_context& job, std::string name, std::string message);

/// Writes the one record of a connection that was refused before any request was seen.
void refuse_connection(flow& source, std::string_view protocol, const policy::decision& verdict, std::string detail = {});

/// Writes the one record of a connection that ended before it asked for anything.
void close_unused(flow& source, std::string_view protocol, reason why, std::string detail = {});

/// The record of a relayed connection: reserved at the start, written at the end, exactly once whatever happens.
class connection_evidence {
public:
    connection_evidence(flow& source, std::string_view protocol, const policy::decision& verdict, audit::reservation place);
    ~connection_evidence();
    connection_evidence(connection_evidence&&) = delete;

    void finish(const relay_totals& totals);
    void fail(reason why, std::string detail);
    /// The flow turned out to be something else, which keeps its own record.
    void cancel() noexcept;

private:
    void write(reason why, std::string detail, const relay_totals& totals);

    flow& source_;
    std::string protocol_;
    policy::decision verdict_;
    std::optional<audit::reservation> place_;
};

/// Null where no record can be kept: the flow must then be refused (law 5); that refusal is counted in the metrics.
std::unique_ptr<connection_evidence> open_connection_evidence(flow& source, std::string_view protocol,
                                                              const policy::decision& verdict);

} // namespace cofferdam::gateway
