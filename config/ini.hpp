#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::config {

/// One setting of an INI file.
struct ini_row {
    std::string section; ///< empty before the first section
    std::string key, value;
    int line = 0; ///< 1-based
};

enum class ini_dialect {
    npm,    ///< "key = value ; comment", quotes, "key[] = value" (npm's `ini`)
    python, ///< "key = value" or "key: value"; indented lines continue a value, joined by '\n' (configparser)
};

/// Reads what the clients read and passes over the rest, as they do: lines without a separator and comments (';', '#').
/// Never throws; linear.
std::vector<ini_row> parse_ini(std::string_view text, ini_dialect dialect);

/// "${NAME}" replaced by what `lookup` says. An unset name stays as it is, as npm has it; "${NAME?}" becomes empty.
template <class Lookup>
std::string expand_variables(std::string_view text, Lookup lookup)
{
    std::string out;
    while (!text.empty()) {
        const auto start = text.find("${");
        const auto stop = start == std::string_view::npos ? start : text.find('}', start);
        if (stop == std::string_view::npos) break;
        out += text.substr(0, start);
        auto name = text.substr(start + 2, stop - start - 2);
        const bool optional = name.ends_with('?');
        if (optional) name.remove_suffix(1);
        const std::string value = lookup(std::string(name));
        if (!value.empty() || optional)
            out += value;
        else
            out += text.substr(start, stop + 1 - start);
        text.remove_prefix(stop + 1);
    }
    return out += text;
}

} // namespace cofferdam::config
