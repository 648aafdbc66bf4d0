#include "gateway/recent_attempts.hpp"

namespace cofferdam::gateway {

bool recent_attempts::is_new(const std::string& job, const key& attempt, clock::time_point now)
{
    if (now - purged_ > std::chrono::seconds(1)) forget_old(now);
    auto& own = seen_[job];
    if (own.contains(attempt)) return false;
    if (own.size() >= most_ - count_) return true;
    own.emplace(attempt, now);
    ++count_;
    return true;
}

void recent_attempts::forget_old(clock::time_point now)
{
    for (auto& each : seen_) count_ -= std::erase_if(each.second, [&](const auto& one) { return now - one.second > window_; });
    std::erase_if(seen_, [](const auto& each) { return each.second.empty(); });
    purged_ = now;
}

} // namespace cofferdam::gateway
