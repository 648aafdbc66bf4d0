#include "gateway/lost_datagrams.hpp"

#include "gateway/evidence.hpp"
#include "gateway/job_context.hpp"

#include <string>
#include <utility>

namespace cofferdam::gateway {

void lost_datagrams::note(std::uint32_t count)
{
    job_.metrics().packet(audit::packet_verdict::overflow, count);
    const std::lock_guard lock(mutex_);
    untold_ += count;
    if (std::chrono::steady_clock::now() - alerted_ >= std::chrono::seconds(1)) alert();
}

void lost_datagrams::flush()
{
    const std::lock_guard lock(mutex_);
    if (untold_ != 0) alert();
}

// With the mutex held. Without a place for the record they stay untold.
void lost_datagrams::alert()
{
    auto place = job_.audit().reserve();
    if (!place) return;
    alerted_ = std::chrono::steady_clock::now();
    auto entry = make_record(job_, {}, gateway_decision(reason::overload, policy::stage::name));
    entry.what = audit::alert_fields{"queue overflow",
                                     std::to_string(std::exchange(untold_, 0)) +
                                         " datagrams came faster than they could be judged or answered, and were dropped"};
    place->commit(std::move(entry));
}

} // namespace cofferdam::gateway
