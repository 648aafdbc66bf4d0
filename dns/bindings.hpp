#pragma once

#include "core/ip.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cofferdam::dns {

/// A job's names and their virtual addresses. Each name keeps its address for the life of the job: clients cache addresses
/// longer than any TTL, so an address that changed hands would name the wrong host. When full, new names are refused and no
/// live one is given up. Thread-safe: the resolver binds, every worker looks up.
class bindings {
public:
    /// Addresses come from `range` in order, without .0 and .255 of any /24 (old clients take them for network and broadcast)
    /// and without `reserved` (the gateway's own). An IPv6 `range` holds none.
    bindings(ip_prefix range, std::size_t max_names, std::vector<ip_address> reserved = {});

    /// The address of `name` (canonical), made on its first use. errc::exhausted: max_names are bound, or the range is used up.
    result<ip_address> bind(std::string_view name);
    std::optional<ip_address> address_of(std::string_view name) const;
    std::optional<std::string> name_of(const ip_address& address) const;
    /// True for every address of the range, bound or not: nothing outside is ever dialled by it.
    bool in_range(const ip_address& address) const noexcept { return range_.contains(address); }
    std::size_t size() const;

private:
    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
    };

    std::optional<ip_address> take_next();

    const ip_prefix range_;
    const std::size_t max_names_;
    const std::vector<ip_address> reserved_;
    mutable std::shared_mutex mutex_;
    std::uint64_t next_, last_; // candidates left, host order
    std::unordered_map<std::string, ip_address, text_hash, std::equal_to<>> addresses_;
    std::unordered_map<ip_address, std::string> names_;
};

} // namespace cofferdam::dns
