#include "http/h2_budget.hpp"

#include <algorithm>

namespace cofferdam::http {

bool refilling_budget::spend(clock::time_point now) noexcept
{
    if (now > filled_) {
        const auto passed = std::chrono::duration<double>(now - filled_) / std::chrono::duration<double>(period_);
        left_ = std::min(capacity_, left_ + capacity_ * passed);
        filled_ = now;
    }
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
}

void refilling_budget::earn() noexcept
{
    left_ = std::min(capacity_, left_ + 1);
}

} // namespace cofferdam::http
