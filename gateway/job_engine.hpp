#pragma once

#include "audit/summary.hpp"
#include "gateway/event_loop.hpp"
#include "gateway/job_context.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace cofferdam::gateway {

/// What the records of a job's start and end say of it.
struct job_facts {
    std::string phase;
    std::vector<std::string> command, allowed_sockets;
    std::string source;  ///< of a job of `serve`: where its traffic comes from
    std::string network; ///< how it is captured
};

/// A job and what serves it: its context, a worker on each loop, the running summary. Outlives the loops, or ends idle before
/// them.
class job_engine {
public:
    /// Opens the audit log. Throws std::runtime_error, std::system_error.
    job_engine(std::string id, config::settings settings, std::shared_ptr<const policy::policy> rules, job_facts facts,
               const shared_by_jobs& shared = {});

    job_context& context() noexcept { return context_; }
    const job_facts& facts() const noexcept { return facts_; }

    /// From now on this policy decides; `rules` are it, compiled for the phase that is in force, and `what` says which it is, for
    /// the record of type job, event "reload". Connections that are open are judged by it at their next request. Other settings
    /// stay.
    void reload(policy::policy_source source, std::shared_ptr<const policy::policy> rules, std::string what);
    /// From now on the allow-list of this phase decides (empty: the main one). Throws policy_error if there is none.
    void set_phase(std::string phase);

    /// Makes a worker on each loop; what listens is added to them before start().
    void attach(const event_loops& loops);
    worker& on(std::size_t loop) { return *workers_.at(loop); }
    std::size_t size() const noexcept { return workers_.size(); }
    /// Writes the record of the start, and lets the workers run. `network` completes the facts.
    void start(std::string network);
    /// See worker::stop.
    void stop(std::chrono::milliseconds drain);
    /// After stop(): nothing of it runs on a loop any more, or was not to be ended in time.
    bool drained() const noexcept;
    /// After stop(): nothing uses the job any more.
    bool idle() const noexcept;

    audit::summary so_far() const;
    /// Writes the record of the end and closes the log.
    audit::writer_totals conclude(std::optional<int> exit_code);

private:
    void record(std::string event, std::optional<int> exit_code, const audit::summary* totals);

    mutable std::mutex totals_mutex_;
    audit::aggregator totals_; // the audit writer's thread feeds it, so it outlives the context
    job_context context_;
    job_facts facts_;
    policy::policy_source source_; // of the rules in force
    std::string policy_;           // and what the records call it
    std::vector<std::unique_ptr<worker>> workers_;
};

} // namespace cofferdam::gateway
