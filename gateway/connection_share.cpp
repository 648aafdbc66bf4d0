#include "gateway/connection_share.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace cofferdam::gateway {
namespace {

constexpr std::size_t descriptors_of_place = 2;
constexpr std::size_t places_of_pipes = 2; // two pipes
constexpr std::size_t share_of_free = 4;

} // namespace

bool connection_budget::take(std::size_t held) noexcept
{
    auto taken = taken_.load(std::memory_order_relaxed);
    do {
        if (taken >= places_ || held >= share_of_free * (places_ - taken)) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
    return true;
}

bool connection_budget::take_pipes() noexcept
{
    auto taken = taken_.load(std::memory_order_relaxed);
    do {
        if (taken + places_of_pipes > places_ / 2) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + places_of_pipes, std::memory_order_relaxed));
    return true;
}

void connection_budget::give_back_pipes() noexcept
{
    taken_.fetch_sub(places_of_pipes, std::memory_order_relaxed);
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
    return std::max<std::size_t>(1, descriptors / 4 * 3 / descriptors_of_place);
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
