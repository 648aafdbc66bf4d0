#pragma once

#include "core/ip.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <set>

namespace cofferdam::gateway {

/// The addresses of this machine's interfaces, as they are now. Thread-safe.
class own_addresses {
public:
    using address_set = std::set<ip_address>;
    /// What asks the system. `changed`: whether addresses may have come or gone since it was last called. `list`: all of them;
    /// null if they can't be told.
    struct sources {
        std::function<bool()> changed;
        std::function<std::shared_ptr<const address_set>()> list;
    };

    explicit own_addresses(sources system) : system_(std::move(system)) {}

    /// True too while it can't be told: an address that may be one of this machine's is taken for one.
    bool contain(const ip_address& address);

private:
    sources system_;
    std::mutex mutex_;
    std::shared_ptr<const address_set> known_; // null: to be asked
};

/// Those of the network namespace of the thread that calls this first, for the whole process.
own_addresses& machine_addresses();

} // namespace cofferdam::gateway
