#include "nft/control_group.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace cofferdam::nft {
namespace {

/// Takes what comes before the separator, or all there is, off `rest`.
std::string_view take_until(std::string_view& rest, char separator)
{
    const auto end = std::min(rest.find(separator), rest.size());
    const auto out = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return out;
}

bool is_part(std::string_view part)
{
    const auto printable = [](char c) { return c > ' ' && c < '\x7f' && c != '"'; };
    return !part.empty() && part != "." && part != ".." && std::all_of(part.begin(), part.end(), printable);
}

/// Blanks and backslashes are written as three octal digits.
std::string unescape(std::string_view text)
{
    const auto digit = [&](std::size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '7'; };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || !digit(i + 1) || !digit(i + 2) || !digit(i + 3)) {
            out += text[i];
            continue;
        }
        const int value = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
        out += static_cast<char>(value);
        i += 3;
    }
    return out;
}

/// "36 35 0:31 ROOT POINT OPTIONS OPTIONAL... - TYPE SOURCE OPTIONS"
std::optional<control_group_mount> read_line(std::string_view line)
{
    std::array<std::string_view, 5> fields;
    for (auto& each : fields) each = take_until(line, ' ');
    while (!line.empty() && take_until(line, ' ') != "-") continue;
    if (take_until(line, ' ') != "cgroup2") return std::nullopt;
    control_group_mount out{unescape(fields[4]), unescape(fields[3])};
    // What lies outside of the namespace has no level in it.
    if (!out.root.starts_with('/') || out.root.starts_with("/..")) return std::nullopt;
    return out;
}

} // namespace

result<std::string> parse_control_group_path(std::string_view text)
{
    if (!text.starts_with('/') || text.ends_with("//")) return errc::malformed;
    if (text.size() > control_group_path_limit || depth_of(text) > control_group_depth_limit) return errc::too_large;
    if (text.size() > 1 && text.ends_with('/')) text.remove_suffix(1);
    auto rest = text.substr(1);
    while (!rest.empty())
        if (!is_part(take_until(rest, '/'))) return errc::malformed;
    return std::string(text);
}

std::uint32_t depth_of(std::string_view path) noexcept
{
    if (path.ends_with('/')) path.remove_suffix(1);
    return static_cast<std::uint32_t>(std::count(path.begin(), path.end(), '/'));
}

result<control_group_mount> find_control_group_mount(std::string_view mountinfo)
{
    std::optional<control_group_mount> part;
    while (!mountinfo.empty()) {
        auto found = read_line(take_until(mountinfo, '\n'));
        if (!found) continue;
        if (found->root == "/") return *found;
        if (!part) part = std::move(found);
    }
    if (!part) return errc::not_found;
    return *part;
}

} // namespace cofferdam::nft
