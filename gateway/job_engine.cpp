#include "gateway/job_engine.hpp"

#include "config/load.hpp"
#include "gateway/evidence.hpp"
#include "gateway/version.hpp"
#include "gateway/worker.hpp"

#include <algorithm>

namespace cofferdam::gateway {
namespace {

constexpr std::chrono::milliseconds audit_close_time{10'000};

} // namespace

job_engine::job_engine(std::string id, config::settings settings, std::shared_ptr<const policy::policy> rules, job_facts facts,
                       const shared_by_jobs& shared)
    : context_(std::move(id), std::move(settings), std::move(rules), shared), facts_(std::move(facts)),
      source_(context_.settings().policy), policy_(config::describe_files(context_.settings()))
{
    context_.open_audit([this](const audit::record& entry) {
        const std::lock_guard lock(totals_mutex_);
        totals_.add(entry);
    });
}

audit::summary job_engine::so_far() const
{
    const std::lock_guard lock(totals_mutex_);
    return totals_.result();
}

void job_engine::attach(const event_loops& loops)
{
    for (const auto& each : loops) workers_.push_back(std::make_unique<worker>(context_, *each));
}

void job_engine::start(std::string network)
{
    facts_.network = std::move(network);
    record("start", std::nullopt, nullptr);
    for (auto& each : workers_) each->start();
}

void job_engine::stop(std::chrono::milliseconds drain)
{
    for (auto& each : workers_) each->stop(drain);
}

void job_engine::reload(policy::policy_source source, std::shared_ptr<const policy::policy> rules, std::string what)
{
    source_ = std::move(source);
    policy_ = std::move(what);
    context_.replace_rules(std::move(rules));
    record("reload", std::nullopt, nullptr);
}

void job_engine::set_phase(std::string phase)
{
    context_.replace_rules(policy::policy::compile(source_, phase));
    facts_.phase = std::move(phase);
    record("phase", std::nullopt, nullptr);
}

bool job_engine::drained() const noexcept
{
    return std::all_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->drained(); });
}

bool job_engine::idle() const noexcept
{
    return context_.tasks() == 0 && drained();
}

audit::writer_totals job_engine::conclude(std::optional<int> exit_code)
{
    context_.audit().flush(audit_close_time);
    const audit::summary totals = so_far();
    record("end", exit_code, &totals);
    return context_.audit().close(audit_close_time);
}

void job_engine::record(std::string event, std::optional<int> exit_code, const audit::summary* totals)
{
    auto place = context_.audit().reserve();
    if (!place) return;
    policy::decision verdict;
    verdict.act = verdict.would = policy::action::allow;
    verdict.why = reason::completed;
    audit::record entry;
    entry.time = std::chrono::system_clock::now();
    entry.job = context_.id();
    entry.decision = to_fields(verdict);
    audit::job_fields fields;
    fields.event = std::move(event);
    fields.mode = policy::to_string(source_.how);
    fields.phase = facts_.phase;
    fields.policy = policy_;
    fields.command = facts_.command;
    fields.allowed_sockets = facts_.allowed_sockets;
    fields.exit_code = exit_code;
    if (totals) {
        fields.records = totals->records;
        fields.denied = totals->denied + totals->would_deny;
    }
    else {
        fields.network = facts_.network;
    }
    fields.version = version;
    entry.what = std::move(fields);
    place->commit(std::move(entry));
}

} // namespace cofferdam::gateway
