#pragma once

#include "core/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::config {

inline constexpr std::size_t max_toml_depth = 32; ///< of arrays and inline tables

/// One string of a TOML document, or one other scalar in its source text.
struct toml_row {
    std::vector<std::string> path; ///< {"source", "mirror", "registry"}; elements of an array have the array's path
    std::string value;
    int line = 0; ///< 1-based
};

/// What a TOML document says, flat and in its order. Strict in its shape (TOML 1.0), lenient in what a reader of
/// configuration doesn't need: numbers and dates are not checked, nor repeated keys.
/// errc::malformed with the line in `line_of_error`, errc::too_large for more than max_toml_depth. Never throws; linear.
result<std::vector<toml_row>> parse_toml(std::string_view text, int& line_of_error);

} // namespace cofferdam::config
