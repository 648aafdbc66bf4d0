#include "gateway/upstream_pool.hpp"

#include <algorithm>

namespace cofferdam::gateway {
namespace {

constexpr std::size_t max_asked = 256; // lenders, of which most may be busy

} // namespace

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
        upstream_link link = each->until > now ? std::move(each->link) : upstream_link{};
        each = idle_.erase(each);
        if (!usable(link, rules, now)) continue;
        link.reused = true;
        return link;
    }
    return borrow(what, rules, now);
}

upstream_link upstream_pool::borrow(const upstream_purpose& what, const policy::policy& rules, time_point now)
{
    if (capacity_ == 0) return {};
    auto each = lenders_.lower_bound(what);
    for (std::size_t asked = 0; asked < max_asked && each != lenders_.end() && each->first == what; ++asked) {
        auto* lender = each->second;
        ++each; // what gives its connection up is no lender any more
        upstream_link link = lender->give_up();
        if (!usable(link, rules, now)) continue;
        link.reused = true;
        return link;
    }
    return {};
}

bool upstream_pool::usable(const upstream_link& link, const policy::policy& rules, time_point now) const
{
    return link.stream && link.rules.get() == &rules && now < link.made + lifetime_ && link.stream->is_quiet();
}

void upstream_pool::drop_expired(time_point now)
{
    idle_.remove_if([now](const entry& each) { return each.until <= now; });
}

bool upstream_pool::drop_all() noexcept
{
    const bool any = !idle_.empty();
    idle_.clear();
    return any;
}

void upstream_pool::close() noexcept
{
    capacity_ = 0;
    idle_.clear();
}

} // namespace cofferdam::gateway
