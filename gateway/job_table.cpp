#include "gateway/job_table.hpp"

#include "gateway/job_dns.hpp"
#include "gateway/worker.hpp"

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

shared_job job_table::find(const ip_address& source, std::uint32_t mark) const
{
    const auto plain = source.unmapped();
    const std::shared_lock lock(mutex_);
    if (mark != 0) {
        if (const auto marked = groups_.find(mark); marked != groups_.end()) return marked->second.job;
    }
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

bool job_table::add(const nft::match_control_group& source, shared_job job)
{
    const std::unique_lock lock(mutex_);
    if (groups_.size() >= config::job_mark_count) return false;
    const auto same = [&](const auto& each) { return each.second.source.id == source.id; };
    if (std::any_of(groups_.begin(), groups_.end(), same)) return false;
    std::uint32_t mark = 0;
    do mark = first_mark_ + turn_++ % config::job_mark_count;
    while (groups_.contains(mark));
    groups_.emplace(mark, group{source, std::move(job)});
    group_count_ = groups_.size();
    return true;
}

std::vector<nft::marked_group> job_table::groups() const
{
    const std::shared_lock lock(mutex_);
    std::vector<nft::marked_group> out;
    for (const auto& [mark, each] : groups_) out.push_back({each.source, mark});
    return out;
}

void job_table::remove(const shared_job& job)
{
    const std::unique_lock lock(mutex_);
    for (auto& each : prefixes_) std::erase_if(each.second, [&](const auto& one) { return one.second == job; });
    std::erase_if(prefixes_, [](const auto& each) { return each.second.empty(); });
    std::erase_if(groups_, [&](const auto& each) { return each.second.job == job; });
    group_count_ = groups_.size();
}

} // namespace cofferdam::gateway
