#pragma once

#include "config/serve.hpp"
#include "core/ip.hpp"
#include "gateway/job_engine.hpp"
#include "gateway/queued_names.hpp"
#include "nft/local_ruleset.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

namespace cofferdam::dns {
class server;
}

namespace cofferdam::gateway {

/// A job of `cofferdam serve`: its engine, its resolver (on the first loop), and the verdict on its queued datagrams.
struct served_job {
    /// Makes workers on all loops. `send`: see datagram_judge; it outlives the job.
    served_job(std::unique_ptr<job_engine> made, const event_loops& loops, packet_sender send);

    std::unique_ptr<job_engine> engine;
    std::shared_ptr<dns::server> names;
    datagram_judge judge;
};
using shared_job = std::shared_ptr<served_job>;

/// Which job what a client sends belongs to: that of its control group's mark, else that of the longest prefix of its address,
/// else the default. Thread-safe.
class job_table {
public:
    /// `first_mark`: of config::job_mark_count that stand for a control group each. They are given out in turn: one whose group
    /// is no job's any more comes again late.
    explicit job_table(shared_job fallback, std::uint32_t first_mark = config::serve_settings().first_job_mark)
        : fallback_(std::move(fallback)), first_mark_(first_mark)
    {
    }

    const shared_job& fallback() const noexcept { return fallback_; }
    /// `mark`: of the packet or flow; 0: it has none.
    shared_job find(const ip_address& source, std::uint32_t mark = 0) const;

    /// False if the range is a job's already; part of another's may be.
    bool add(const ip_prefix& source, shared_job job);
    /// False if the group is a job's already; a group above or below it may be another's. The ruleset has to be told (groups()).
    bool add(const nft::match_control_group& source, shared_job job);
    /// What the ruleset has to mark.
    std::vector<nft::marked_group> groups() const;
    /// Whether groups() has any; cheap.
    bool has_groups() const noexcept { return group_count_.load(std::memory_order_relaxed) != 0; }
    /// All sources of this job. Connections that are open stay with it.
    void remove(const shared_job& job);

private:
    /// Prefixes of one length, of both families, by their network.
    using prefixes = std::unordered_map<ip_address, shared_job>;

    struct group {
        nft::match_control_group source;
        shared_job job;
    };

    shared_job fallback_;
    std::uint32_t first_mark_, turn_ = 0;
    std::atomic<std::size_t> group_count_{0};
    mutable std::shared_mutex mutex_;
    std::unordered_map<std::uint32_t, group> groups_;       // by mark
    std::map<unsigned, prefixes, std::greater<>> prefixes_; // the longest first, and none that is empty
};

} // namespace cofferdam::gateway
