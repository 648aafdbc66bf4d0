#pragma once

#include "core/ip.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>

namespace cofferdam::gateway {

/// Which attempts jobs made lately: packets of one flow are one attempt. Bounded, and shared so that a job that makes a great
/// many leaves room for the others.
class recent_attempts {
public:
    using clock = std::chrono::steady_clock;
    using key = std::tuple<std::uint8_t, ip_endpoint, ip_endpoint>; ///< protocol, source, destination

    recent_attempts(std::size_t most, clock::duration window) noexcept : most_(most), window_(window) {}

    /// True for the first of an attempt within the window. Of one job as many are remembered as there are free places; each
    /// packet beyond that counts as a new attempt.
    bool is_new(const std::string& job, const key& attempt, clock::time_point now);

private:
    using attempts = std::map<key, clock::time_point>;
    void forget_old(clock::time_point now);

    std::size_t most_;
    clock::duration window_;
    std::map<std::string, attempts> seen_;
    std::size_t count_ = 0; // in all of them
    clock::time_point purged_{};
};

} // namespace cofferdam::gateway
