#pragma once

#include "policy/policy.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace cofferdam::config {

/// A package ecosystem whose client says itself where it would go: no registry's host is written into this project.
struct ecosystem {
    std::string_view name;                                    ///< "npm", "pip", "cargo", "go", "maven", "apt"
    std::vector<policy::entry_source> (*read)();              ///< reads the client's configuration as the caller would use it now
};

/// All of them, in order of name.
std::span<const ecosystem> ecosystems() noexcept;

}  // namespace cofferdam::config
