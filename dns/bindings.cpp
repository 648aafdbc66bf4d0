#include "dns/bindings.hpp"

#include <algorithm>
#include <mutex>

namespace cofferdam::dns {

bindings::bindings(ip_prefix range, std::size_t max_names, std::vector<ip_address> reserved)
    : range_(range), max_names_(max_names), reserved_(std::move(reserved)), next_(1), last_(0)
{
    if (!range_.network().is_v4()) return;
    next_ = range_.network().v4_number();
    last_ = next_ + (std::uint64_t{1} << (32 - range_.length())) - 1;
}

std::optional<ip_address> bindings::take_next()
{
    while (next_ <= last_) {
        const auto number = static_cast<std::uint32_t>(next_++);
        const auto address = ip_address::v4(number);
        const auto last_octet = number & 0xFFU;
        if (last_octet == 0 || last_octet == 255) continue;
        if (std::find(reserved_.begin(), reserved_.end(), address) == reserved_.end()) return address;
    }
    return std::nullopt;
}

result<ip_address> bindings::bind(std::string_view name)
{
    if (const auto known = address_of(name)) return *known;
    const std::unique_lock lock(mutex_);
    if (const auto at = addresses_.find(name); at != addresses_.end()) return at->second;
    if (addresses_.size() >= max_names_) return errc::exhausted;
    const auto address = take_next();
    if (!address) return errc::exhausted;
    addresses_.emplace(name, *address);
    names_.emplace(*address, name);
    return *address;
}

std::optional<ip_address> bindings::address_of(std::string_view name) const
{
    const std::shared_lock lock(mutex_);
    const auto at = addresses_.find(name);
    if (at == addresses_.end()) return std::nullopt;
    return at->second;
}

std::optional<std::string> bindings::name_of(const ip_address& address) const
{
    const std::shared_lock lock(mutex_);
    const auto at = names_.find(address);
    if (at == names_.end()) return std::nullopt;
    return at->second;
}

std::size_t bindings::size() const
{
    const std::shared_lock lock(mutex_);
    return addresses_.size();
}

} // namespace cofferdam::dns
