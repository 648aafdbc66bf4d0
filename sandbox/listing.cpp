#include "sandbox/listing.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace cofferdam::sandbox {
namespace {

std::string_view next_word(std::string_view& line)
{
    const auto begin = std::min(line.find_first_not_of(' '), line.size());
    const auto end = std::min(line.find(' ', begin), line.size());
    const auto word = line.substr(begin, end - begin);
    line.remove_prefix(end);
    return word;
}

std::string_view next_line(std::string_view& text)
{
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view word)
{
    std::string out;
    for (std::size_t i = 0; i < word.size(); ++i) {
        const bool escape =
            word[i] == '\\' && i + 3 < word.size() && is_octal(word[i + 1]) && is_octal(word[i + 2]) && is_octal(word[i + 3]);
        if (!escape) {
            out += word[i];
            continue;
        }
        out += static_cast<char>(((word[i + 1] - '0') * 64 + (word[i + 2] - '0') * 8 + (word[i + 3] - '0')) & 0xff);
        i += 3;
    }
    return out;
}

template <class Number>
bool parse_number(std::string_view word, Number& out)
{
    const auto* end = word.data() + word.size();
    const auto parsed = std::from_chars(word.data(), end, out);
    return !word.empty() && parsed.ec == std::errc{} && parsed.ptr == end;
}

} // namespace

std::vector<mount_entry> parse_mountinfo(std::string_view text)
{
    std::vector<mount_entry> table;
    while (!text.empty()) {
        auto line = next_line(text);
        mount_entry entry;
        const bool numbered = parse_number(next_word(line), entry.id);
        next_word(line); // the parent's id
        entry.device = next_word(line);
        entry.root = unescape(next_word(line));
        entry.point = unescape(next_word(line));
        entry.options = next_word(line);
        auto word = next_word(line);
        while (!word.empty() && word != "-") word = next_word(line); // optional fields
        entry.type = unescape(next_word(line));
        if (!numbered || entry.point.empty() || entry.point[0] != '/' || entry.type.empty()) continue;
        table.push_back(std::move(entry));
    }
    return table;
}

std::vector<std::string> parse_unix_sockets(std::string_view text)
{
    constexpr int columns_before_path = 7;
    std::vector<std::string> paths;
    while (!text.empty()) {
        auto line = next_line(text);
        for (int column = 0; column < columns_before_path; ++column) next_word(line);
        if (line.size() < 2 || line[0] != ' ' || line[1] != '/') continue;
        paths.emplace_back(line.substr(1));
    }
    std::sort(paths.begin(), paths.end());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
    return paths;
}

std::string identity_map(std::string_view text)
{
    std::string map;
    while (!text.empty()) {
        auto line = next_line(text);
        std::uint32_t inside = 0;
        std::uint32_t outside = 0;
        std::uint32_t count = 0;
        if (!parse_number(next_word(line), inside) || !parse_number(next_word(line), outside) ||
            !parse_number(next_word(line), count)) {
            return {};
        }
        const auto id = std::to_string(inside);
        map += id + " " + id + " " + std::to_string(count) + "\n";
    }
    return map;
}

bool is_within(std::string_view path, std::string_view directory) noexcept
{
    if (directory == "/") return !path.empty() && path[0] == '/';
    if (path.substr(0, directory.size()) != directory) return false;
    return path.size() == directory.size() || path[directory.size()] == '/';
}

std::vector<std::string> aliases_of(std::string_view path, const mount_entry& own, const std::vector<mount_entry>& table)
{
    if (!is_within(path, own.point)) return {};
    const auto join = [](std::string_view base, std::string_view rest) {
        while (!rest.empty() && rest[0] == '/') rest.remove_prefix(1);
        std::string joined(base);
        if (rest.empty()) return joined;
        if (joined.empty() || joined.back() != '/') joined += '/';
        return joined.append(rest);
    };
    const auto inner = join(own.root, path.substr(own.point == "/" ? 0 : own.point.size()));
    std::vector<std::string> found;
    for (const auto& entry : table) {
        if (entry.device != own.device || !is_within(inner, entry.root)) continue;
        auto alias = join(entry.point, std::string_view(inner).substr(entry.root == "/" ? 0 : entry.root.size()));
        if (alias != path) found.push_back(std::move(alias));
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

} // namespace cofferdam::sandbox
