#include "gateway/verified_origins.hpp"

namespace cofferdam::gateway {

std::shared_ptr<verified_origins::attempt> verified_origins::find(const upstream_purpose& what, const policy::policy& rules,
                                                                  time_point now)
{
    const auto found = entries_.find(what);
    if (found == entries_.end() || found->second.rules.get() != &rules) return nullptr;
    const auto& latest = found->second.latest;
    return !latest->over || found->second.until > now ? latest : nullptr;
}

std::shared_ptr<verified_origins::attempt> verified_origins::begin(boost::asio::io_context& io, const upstream_purpose& what,
                                                                   std::shared_ptr<const policy::policy> rules, time_point now)
{
    auto made = std::make_shared<attempt>(io);
    if (lifetime_.count() == 0) return made;
    std::erase_if(entries_, [now](const auto& each) { return each.second.latest->over && each.second.until <= now; });
    if (entries_.size() < capacity_) entries_[what] = {made, std::move(rules), now};
    return made;
}

void verified_origins::end(const upstream_purpose& what, attempt& made, origin_finding found, time_point now)
{
    made.found = std::move(found);
    made.over = true;
    made.done.cancel();
    const auto known = entries_.find(what);
    if (known == entries_.end() || known->second.latest.get() != &made) return;
    if (made.found.why == reason::completed)
        known->second.until = now + lifetime_;
    else
        entries_.erase(known);
}

void verified_origins::forget(const upstream_purpose& what)
{
    std::erase_if(entries_, [&what](const auto& each) {
        const auto& known = each.first;
        return each.second.latest->over && known.job == what.job && known.host == what.host && known.port == what.port;
    });
}

void verified_origins::close() noexcept
{
    capacity_ = 0;
    entries_.clear();
}

} // namespace cofferdam::gateway
