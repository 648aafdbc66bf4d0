#pragma once

#include "core/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::config {

inline constexpr std::size_t max_xml_depth = 64;
inline constexpr std::size_t max_xml_elements = 100'000;

/// An element of an XML document. Attributes are passed over.
struct xml_element {
    std::string name; ///< without a namespace prefix
    std::string text; ///< of the element itself, entities decoded, trimmed
    int line = 0;     ///< 1-based
    std::vector<xml_element> children;

    /// The text of the first child of that name; empty if there is none.
    std::string_view child_text(std::string_view child) const;
    /// Every element at a path of names below this one, as in "repositories/repository".
    std::vector<const xml_element*> find(std::string_view path) const;
};

/// Reads elements, text, CDATA and the five predefined entities; a document type declaration is refused (no external
/// entities, no expansion). The result is a nameless element that holds the root.
/// errc::malformed with the line in `line_of_error`, errc::too_large over a bound. Never throws; linear.
result<xml_element> parse_xml(std::string_view text, int& line_of_error);

} // namespace cofferdam::config
