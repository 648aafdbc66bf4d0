#include "gateway/job_table.hpp"

#include "gateway/job_dns.hpp"
#include "gateway/worker.hpp"

#include <mutex>

namespace cofferdam::gateway {
namespace {

constexpr auto anywhere = [](const ip_address&) { return true; };

} // namespace

served_job::served_job(std::unique_ptr<job_engine> made, const event_loops& loops, packet_sender send)
    : engine(std::move(made)), judge(engine->context(), inspector_of(engine->context()), std::move(send), anywhere)
{
    engine->attach(loops);
    names = make_names(engine->on(0));
}

shared_job job_table::find(const ip_address& source) const
{
    const auto plain = source.unmapped();
    const std::shared_lock lock(mutex_);
    for (const auto& [length, jobs] : prefixes_) {
        if (length > plain.bytes().size() * 8) continue;
        const auto found = jobs.find(plain.masked(length));
        if (found != jobs.end()) return found->second;
    }
    return fallback_;
}

bool job_table::add(const ip_prefix& source, shared_job job)
{
    const std::unique_lock lock(mutex_);
    return prefixes_[source.length()].emplace(source.network(), std::move(job)).second;
}

void job_table::remove(const shared_job& job)
{
    const std::unique_lock lock(mutex_);
    for (auto& each : prefixes_) std::erase_if(each.second, [&](const auto& one) { return one.second == job; });
    std::erase_if(prefixes_, [](const auto& each) { return each.second.empty(); });
}

} // namespace cofferdam::gateway
