#include "gateway/leaf_rejections.hpp"

namespace cofferdam::gateway {

void leaf_rejections::add(const std::string& target)
{
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(target);
    if (found != counts_.end())
        ++found->second;
    else if (counts_.size() < max_targets)
        counts_.emplace(target, 1);
}

bool leaf_rejections::reached(const std::string& target) const
{
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(target);
    return found != counts_.end() && found->second >= enough;
}

} // namespace cofferdam::gateway
