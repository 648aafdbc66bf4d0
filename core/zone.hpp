#pragma once

#include <optional>
#include <string_view>

namespace cofferdam {

/// The registrable domain (eTLD+1) of a canonical name by the Public Suffix List, ICANN and private sections: a view into
/// `name`. Nothing if `name` is itself a public suffix. The list is the one built into libpsl; no file is read.
std::optional<std::string_view> registrable_domain(std::string_view name) noexcept;

/// The domain that somebody bought: one label below a suffix of the list's ICANN section alone, so "s3.amazonaws.com" and all
/// buckets below belong to amazonaws.com. "arpa" for reverse names; a public suffix, or a single label, is its own. A view into
/// `name`; allocates nothing.
std::string_view purchased_domain(std::string_view name) noexcept;

/// Both at once; `registrable` is empty where there is none.
struct domains_of_name {
    std::string_view purchased, registrable;
};
domains_of_name domains_of(std::string_view name) noexcept;

/// True for the domain (see purchased_domain) of a cloud provider, below which customers choose names but only the provider's
/// servers see the queries (core/zones/providers.txt).
bool is_provider(std::string_view domain) noexcept;

/// False for a provider's domain below which only the provider itself creates names (githubusercontent.com).
bool has_customers(std::string_view provider) noexcept;

/// Of a name below a provider's domain: the zone in which customers choose the next label ("s3.amazonaws.com"), by
/// core/zones/providers.txt. A view into `name`; empty where no such zone is known.
std::string_view tenant_zone(std::string_view name) noexcept;

/// True if anybody may register a name below `name`, so that a wildcard there would allow strangers: public suffixes of both
/// sections, dynamic DNS and names made of addresses (core/zones/delegating.txt), and single labels that are no special-use
/// name (RFC 6761, 6762, 8375, 9476: test, example, local, internal, ...). Suffixes of cloud providers, and those below which
/// only their operator creates names (raw.githubusercontent.com), do not count, although the list has them.
bool is_shared_suffix(std::string_view name);

} // namespace cofferdam
