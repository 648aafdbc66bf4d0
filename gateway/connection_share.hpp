#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace cofferdam::gateway {

/// How many connections a gateway of many jobs has places for. A place is two descriptors: the client's socket and that to a
/// server. Thread-safe.
class connection_budget {
public:
    explicit connection_budget(std::size_t places) noexcept : places_(places) {}

    /// A place for somebody who holds `held` already. He may have four times what is then still free (dynamic thresholds,
    /// Choudhury and Hahne 1998), so four fifths of all when he is alone; the last place is for who has none.
    bool take(std::size_t held) noexcept;
    /// For what can be done without: as long as half of all places are left.
    bool take_spare(std::size_t places) noexcept;
    void give_back(std::size_t places) noexcept { taken_.fetch_sub(places, std::memory_order_relaxed); }

private:
    std::size_t places_;
    std::atomic<std::size_t> taken_{0};
};

/// One job's connections, and their part of the gateway's budget. Lives in a shared_ptr. Thread-safe.
class connection_share : public std::enable_shared_from_this<connection_share> {
public:
    /// `most`: limits.max_connections. Without a budget that is the only bound.
    connection_share(std::size_t most, std::shared_ptr<connection_budget> budget) noexcept;

    /// For a new connection; null: it is counted, until leave(). Else the name of the limit that is reached.
    const char* enter() noexcept;
    void leave() noexcept;

    /// A place for a further connection to a server, held as long as what is returned lives; null: there is none.
    std::shared_ptr<void> further();
    /// The same for what can be done without: see connection_budget::take_spare.
    std::shared_ptr<void> spare(std::size_t places);

private:
    bool take() noexcept;
    std::shared_ptr<void> hold(std::size_t places); // that are taken

    std::size_t most_;
    std::shared_ptr<connection_budget> budget_;
    std::atomic<std::size_t> connections_{0};
    std::atomic<std::size_t> held_{0}; // of the budget
};

/// Where a process may have `descriptors` of them (RLIMIT_NOFILE): how many connections fit, with a quarter left to logs,
/// resolvers and listeners.
std::size_t connections_that_fit(std::size_t descriptors) noexcept;

/// Raises the soft limit of descriptors to the hard one, which is returned.
std::size_t raise_descriptor_limit() noexcept;

} // namespace cofferdam::gateway
