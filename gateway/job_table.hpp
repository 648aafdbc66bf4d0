#pragma once

#include "core/ip.hpp"
#include "gateway/job_engine.hpp"
#include "gateway/queued_names.hpp"

#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <unordered_map>

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

/// Which job a source address belongs to: that of the longest prefix, else the default. Thread-safe.
class job_table {
public:
    explicit job_table(shared_job fallback) : fallback_(std::move(fallback)) {}

    const shared_job& fallback() const noexcept { return fallback_; }
    shared_job find(const ip_address& source) const;

    /// False if the range is a job's already; part of another's may be.
    bool add(const ip_prefix& source, shared_job job);
    /// All sources of this job. Connections that are open stay with it.
    void remove(const shared_job& job);

private:
    /// Prefixes of one length, of both families, by their network.
    using prefixes = std::unordered_map<ip_address, shared_job>;

    shared_job fallback_;
    mutable std::shared_mutex mutex_;
    std::map<unsigned, prefixes, std::greater<>> prefixes_; // the longest first, and none that is empty
};

} // namespace cofferdam::gateway
