#pragma once

#include "policy/policy.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::config {

/// A package ecosystem whose client says itself where it would go: no registry's host is written into this project.
struct ecosystem {
    std::string_view name; ///< "npm", "pip", "cargo", "go", "maven", "apt"
    /// Reads the client's configuration as the caller would use it now. `extra_roots`: PEM files that a client is told to
    /// trust as well, where it has to ask a registry. Throws config_error.
    std::vector<policy::entry_source> (*read)(const std::vector<std::string>& extra_roots);
};

/// All of them, in order of name.
std::span<const ecosystem> ecosystems() noexcept;

} // namespace cofferdam::config
