#pragma once

#include <chrono>
#include <cstddef>

namespace cofferdam::http {

/// A bucket of tokens that fills itself again within `period`. What costs the gateway work without carrying anything is paid
/// from it. No clock of its own.
class refilling_budget {
public:
    using clock = std::chrono::steady_clock;

    explicit refilling_budget(std::size_t capacity, std::chrono::milliseconds period = std::chrono::seconds(10)) noexcept
        : capacity_(static_cast<double>(capacity)), left_(capacity_), period_(period)
    {
    }

    /// Takes one token; false if there was none.
    bool spend(clock::time_point now) noexcept;
    /// Gives one back, up to the capacity.
    void earn() noexcept;

private:
    double capacity_, left_;
    std::chrono::milliseconds period_;
    clock::time_point filled_{};
};

} // namespace cofferdam::http
