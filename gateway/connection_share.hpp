#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace cofferdam::gateway {

/// How many connections a gateway of many jobs has places for. A place is two descriptors: the client's socket and the server's.
/// Thread-safe.
class connection_budget {
public:
    explicit connection_budget(std::size_t places) noexcept : places_(places) {}

    /// For a connection of somebody who holds `held` places already. He may have four times what is then still free (dynamic
    /// thresholds, Choudhury and Hahne 1998): alone four fifths of all, and others always find some.
    bool take(std::size_t held) noexcept;
    void give_back() noexcept { taken_.fetch_sub(1, std::memory_order_relaxed); }

    /// For the two pipes of a relay that splices: as long as half of the places are free, for it could copy too.
    bool take_pipes() noexcept;
    void give_back_pipes() noexcept;

private:
    std::size_t places_;
    std::atomic<std::size_t> taken_{0};
};

/// One job's connections, and their part of the gateway's budget. Thread-safe.
class connection_share {
public:
    /// `most`: limits.max_connections. Without a budget that is the only bound.
    connection_share(std::size_t most, std::shared_ptr<connection_budget> budget) noexcept;

    /// For a new connection; null: it is counted, until leave(). Else the name of the limit that is reached.
    const char* enter() noexcept;
    void leave() noexcept;

    /// See connection_budget::take_pipes; without a budget there are always some.
    bool enter_pipes() noexcept { return !budget_ || budget_->take_pipes(); }
    void leave_pipes() noexcept
    {
        if (budget_) budget_->give_back_pipes();
    }

private:
    std::size_t most_;
    std::shared_ptr<connection_budget> budget_;
    std::atomic<std::size_t> held_{0};
};

/// Where a process may have `descriptors` of them (RLIMIT_NOFILE): how many connections fit, with a quarter left to logs,
/// resolvers and listeners.
std::size_t connections_that_fit(std::size_t descriptors) noexcept;

/// Raises the soft limit of descriptors to the hard one, which is returned.
std::size_t raise_descriptor_limit() noexcept;

} // namespace cofferdam::gateway
