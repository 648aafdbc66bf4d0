#include "gateway/upstream_pool.hpp"

#include <algorithm>

namespace cofferdam::gateway {

upstream_pool::upstream_pool(const http::limits& bounds)
    : capacity_(bounds.upstream_idle_connections), idle_timeout_(bounds.upstream_idle_timeout),
      lifetime_(bounds.upstream_lifetime)
{
}

void upstream_pool::put(upstream_purpose what, upstream_link link, time_point now)
{
    if (capacity_ == 0 || !link.stream) return;
    const auto until = std::min(now + idle_timeout_, link.made + lifetime_);
    if (until <= now || !link.stream->is_quiet()) return;
    idle_.push_front({std::move(what), std::move(link), until});
    if (idle_.size() > capacity_) idle_.pop_back();
}

upstream_link upstream_pool::take(const upstream_purpose& what, const policy::policy& rules, time_point now)
{
    for (auto each = idle_.begin(); each != idle_.end();) {
        if (each->what != what) {
            ++each;
            continue;
        }
        const bool usable = each->until > now && each->link.rules.get() == &rules && each->link.stream->is_quiet();
        upstream_link link = usable ? std::move(each->link) : upstream_link{};
        each = idle_.erase(each);
        if (!link.stream) continue;
        link.reused = true;
        return link;
    }
    return {};
}

void upstream_pool::drop_expired(time_point now)
{
    idle_.remove_if([now](const entry& each) { return each.until <= now; });
}

void upstream_pool::close() noexcept
{
    capacity_ = 0;
    idle_.clear();
}

} // namespace cofferdam::gateway
