#pragma once

#include "nft/expression.hpp"

namespace cofferdam::nft {

/// The control group (v2) of that canonical path below the mount of the hierarchy. errc::not_found: no such group;
/// errc::unsupported: the hierarchy is not mounted here; else what opening it failed with.
result<match_control_group> find_control_group(const std::string& path);

} // namespace cofferdam::nft
