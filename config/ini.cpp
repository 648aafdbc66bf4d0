#include "config/ini.hpp"

#include <algorithm>

namespace cofferdam::config {
namespace {

std::string_view trimmed(std::string_view text)
{
    constexpr std::string_view space = " \t\r\f\v";
    const auto first = text.find_first_not_of(space);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::string npm_value(std::string_view text)
{
    if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front()) {
        return std::string(text.substr(1, text.size() - 2));
    }
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == ';' || text[i] == '#') break;
        if (text[i] == '\\' && i + 1 < text.size() && std::string_view(";#\\").find(text[i + 1]) != std::string_view::npos) ++i;
        out += text[i];
    }
    return std::string(trimmed(out));
}

std::string_view next_line(std::string_view& text)
{
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

ini_row npm_row(std::string_view line, std::size_t equals)
{
    auto key = trimmed(line.substr(0, equals));
    if (key.ends_with("[]")) key.remove_suffix(2);
    return {{}, npm_value(key), npm_value(trimmed(line.substr(equals + 1))), 0};
}

ini_row python_row(std::string_view line, std::size_t separator)
{
    return {{}, std::string(trimmed(line.substr(0, separator))), std::string(trimmed(line.substr(separator + 1))), 0};
}

} // namespace

std::vector<ini_row> parse_ini(std::string_view text, ini_dialect dialect)
{
    std::vector<ini_row> out;
    std::string section;
    bool open = false; // a value that an indented line continues
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    for (int number = 1; !text.empty(); ++number) {
        const auto raw = next_line(text);
        const auto line = trimmed(raw);
        if (line.empty() || line.front() == ';' || line.front() == '#') continue;
        if (dialect == ini_dialect::python && open && (raw.front() == ' ' || raw.front() == '\t')) {
            out.back().value.append("\n").append(line);
            continue;
        }
        open = false;
        if (line.front() == '[' && line.back() == ']') {
            section = trimmed(line.substr(1, line.size() - 2));
            continue;
        }
        const auto separator = line.find_first_of(dialect == ini_dialect::npm ? "=" : "=:");
        if (separator == std::string_view::npos || separator == 0) continue;
        auto row = dialect == ini_dialect::npm ? npm_row(line, separator) : python_row(line, separator);
        row.section = section;
        row.line = number;
        out.push_back(std::move(row));
        open = true;
    }
    return out;
}

} // namespace cofferdam::config
