#pragma once

#include <cstddef>
#include <string>

namespace cofferdam::config {

inline constexpr std::size_t max_yaml_depth = 64;
inline constexpr std::size_t max_yaml_nodes = 1'000'000; ///< with every alias counted as often as it stands for something

/// Reads YAML text as events, without building anything, and throws config_error where it nests deeper or, aliases expanded,
/// grows larger than these bounds, where an alias stands inside what it names, and at a syntax error.
void check_yaml_bounds(const std::string& text, const std::string& file);

} // namespace cofferdam::config
