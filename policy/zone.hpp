#pragma once

#include <optional>
#include <string_view>

namespace cofferdam::policy {

/// The registrable domain (eTLD+1) of a canonical name by the Public Suffix List, ICANN and private sections: a view into
/// `name`. Nothing if `name` is itself a public suffix. The list is the one built into libpsl; no file is read.
std::optional<std::string_view> registrable_domain(std::string_view name);

/// True if anybody may register a name below `name`, so that a wildcard there would allow strangers: public suffixes of both
/// sections, and single labels that are no special-use name (RFC 6761, 6762, 8375, 9476: test, example, local, internal, ...).
/// Suffixes below which only their operator creates names (raw.githubusercontent.com) do not count, although the list has them.
bool is_shared_suffix(std::string_view name);

} // namespace cofferdam::policy
