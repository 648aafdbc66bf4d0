#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace cofferdam::gateway {

/// How many connections a gateway of many jobs has places for. Thread-safe.
class connection_budget {
public:
    explicit connection_budget(std::size_t places) noexcept : places_(places) {}

    /// For somebody who holds `held` places already: false if as many are not free, so that nobody takes them all.
    bool take(std::size_t held) noexcept;
    void give_back() noexcept { taken_.fetch_sub(1, std::memory_order_relaxed); }

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
