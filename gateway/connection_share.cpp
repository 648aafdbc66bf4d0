#include "gateway/connection_share.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace cofferdam::gateway {

bool connection_budget::take(std::size_t held) noexcept
{
    auto taken = taken_.load(std::memory_order_relaxed);
    do {
        if (taken >= places_ || held >= places_ - taken) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
    return true;
}

connection_share::connection_share(std::size_t most, std::shared_ptr<connection_budget> budget) noexcept
    : most_(most), budget_(std::move(budget))
{
}

const char* connection_share::enter() noexcept
{
    const auto held = held_.fetch_add(1, std::memory_order_relaxed);
    const char* reached = nullptr;
    if (held >= most_)
        reached = "limits.max_connections";
    else if (budget_ && !budget_->take(held))
        reached = "serve.max_connections";
    if (reached) held_.fetch_sub(1, std::memory_order_relaxed);
    return reached;
}

void connection_share::leave() noexcept
{
    held_.fetch_sub(1, std::memory_order_relaxed);
    if (budget_) budget_->give_back();
}

std::size_t connections_that_fit(std::size_t descriptors) noexcept
{
    constexpr std::size_t each = 6; // two sockets, and the pipes of a relay
    return std::max<std::size_t>(1, descriptors / 4 * 3 / each);
}

std::size_t raise_descriptor_limit() noexcept
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    const auto before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : before;
}

} // namespace cofferdam::gateway
