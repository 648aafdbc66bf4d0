#include "gateway/job_table.hpp"

#include "gateway/job_dns.hpp"
#include "gateway/worker.hpp"
#include "nft/ruleset_parts.hpp"

#include <algorithm>
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
    if (const auto host = hosts_.find(plain); host != hosts_.end()) return host->second;
    const auto found =
        std::find_if(ranges_.begin(), ranges_.end(), [&](const range& each) { return each.source.contains(plain); });
    return found == ranges_.end() ? fallback_ : found->job;
}

bool job_table::add(const ip_prefix& source, shared_job job)
{
    const std::unique_lock lock(mutex_);
    if (source == nft::host_prefix(source.network())) return hosts_.emplace(source.network(), std::move(job)).second;
    if (std::any_of(ranges_.begin(), ranges_.end(), [&](const range& each) { return each.source == source; })) return false;
    const auto behind =
        std::find_if(ranges_.begin(), ranges_.end(), [&](const range& each) { return each.source.length() < source.length(); });
    ranges_.insert(behind, {source, std::move(job)});
    return true;
}

void job_table::remove(const shared_job& job)
{
    const std::unique_lock lock(mutex_);
    std::erase_if(hosts_, [&](const auto& each) { return each.second == job; });
    std::erase_if(ranges_, [&](const range& each) { return each.job == job; });
}

} // namespace cofferdam::gateway
