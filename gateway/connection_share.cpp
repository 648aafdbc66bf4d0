#include "gateway/connection_share.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace cofferdam::gateway {
namespace {

constexpr std::size_t descriptors_of_place = 2;
constexpr std::size_t share_of_free = 4;

} // namespace

bool connection_budget::take(std::size_t held) noexcept
{
    auto taken = taken_.load(std::memory_order_relaxed);
    do {
        const auto free = taken < places_ ? places_ - taken : 0;
        if (free == 0 || held >= share_of_free * free || (held != 0 && free == 1)) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
    return true;
}

bool connection_budget::take_spare(std::size_t places) noexcept
{
    auto taken = taken_.load(std::memory_order_relaxed);
    do {
        if (taken + places > places_ / 2) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + places, std::memory_order_relaxed));
    return true;
}

connection_share::connection_share(std::size_t most, std::shared_ptr<connection_budget> budget) noexcept
    : most_(most), budget_(std::move(budget))
{
}

const char* connection_share::enter() noexcept
{
    if (connections_.fetch_add(1, std::memory_order_relaxed) >= most_) {
        connections_.fetch_sub(1, std::memory_order_relaxed);
        return "limits.max_connections";
    }
    if (take()) return nullptr;
    connections_.fetch_sub(1, std::memory_order_relaxed);
    return "serve.max_connections";
}

bool connection_share::take() noexcept
{
    const auto before = held_.fetch_add(1, std::memory_order_relaxed);
    if (!budget_ || budget_->take(before)) return true;
    held_.fetch_sub(1, std::memory_order_relaxed);
    return false;
}

void connection_share::leave() noexcept
{
    connections_.fetch_sub(1, std::memory_order_relaxed);
    held_.fetch_sub(1, std::memory_order_relaxed);
    if (budget_) budget_->give_back(1);
}

std::shared_ptr<void> connection_share::hold(std::size_t places)
{
    return {this, [self = shared_from_this(), places](void*) {
                self->held_.fetch_sub(places, std::memory_order_relaxed);
                self->budget_->give_back(places);
            }};
}

std::shared_ptr<void> connection_share::further()
{
    if (!budget_) return shared_from_this();
    return take() ? hold(1) : nullptr;
}

std::shared_ptr<void> connection_share::spare(std::size_t places)
{
    if (!budget_) return shared_from_this();
    if (!budget_->take_spare(places)) return nullptr;
    held_.fetch_add(places, std::memory_order_relaxed);
    return hold(places);
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
