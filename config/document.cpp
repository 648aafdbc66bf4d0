#include "config/document.hpp"

#include "config/yaml_bounds.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <set>
#include <vector>

namespace cofferdam::config {
namespace {

constexpr std::size_t max_known_key = 64; ///< octets of a key that is compared with the known ones

std::string locate(const policy::location& where)
{
    if (where.line == 0) return where.file;
    return where.file + ':' + std::to_string(where.line) + ':' + std::to_string(where.column);
}

std::size_t edit_distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

/// A key or value for a message: one printable line of bounded length.
std::string quoted(const std::string& text)
{
    constexpr std::size_t max_quoted = 200;
    return text.size() <= max_quoted ? escape_line(text) : escape_line(text.substr(0, max_quoted)) + "...";
}

std::string join(const std::vector<std::string_view>& words)
{
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : ", ") + std::string(word);
    return out;
}

std::string unknown_key(const std::string& key, const std::vector<std::string_view>& known)
{
    const auto typed = key.substr(0, max_known_key); // a longer one resembles none
    const auto nearest = std::min_element(known.begin(), known.end(),
                                          [&](auto a, auto b) { return edit_distance(typed, a) < edit_distance(typed, b); });
    std::string out = "unknown key '" + quoted(key) + "'";
    if (nearest != known.end() && edit_distance(typed, *nearest) <= 3) out += ", did you mean '" + std::string(*nearest) + "'?";
    return out + " (known here: " + join(known) + ")";
}

struct quantity {
    std::uint64_t number;
    std::string_view unit;
};

std::optional<quantity> split_quantity(std::string_view text)
{
    quantity out{};
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out.number);
    if (ec != std::errc()) return std::nullopt;
    out.unit = text.substr(static_cast<std::size_t>(end - text.data()));
    while (out.unit.starts_with(' ')) out.unit.remove_prefix(1);
    return out;
}

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

std::optional<std::uint64_t> scale(std::string_view text, std::initializer_list<unit> units)
{
    const auto parts = split_quantity(text);
    if (!parts) return std::nullopt;
    for (const auto& [name, factor] : units) {
        if (name != parts->unit) continue;
        if (parts->number > UINT64_MAX / factor) return std::nullopt;
        return parts->number * factor;
    }
    return std::nullopt;
}

} // namespace

config_error::config_error(const policy::location& at, const std::string& message)
    : std::runtime_error(locate(at) + ": " + message), where(at)
{
}

node node::at(const YAML::Node& child, std::string path) const
{
    return {child, file_, std::move(path)};
}

std::string node::below(const std::string& name) const
{
    return path_.empty() ? quoted(name) : path_ + '.' + quoted(name);
}

policy::location node::where() const
{
    const auto mark = yaml_.Mark();
    return {file_, mark.line + 1, mark.column + 1};
}

void node::fail(const std::string& message) const
{
    throw config_error(where(), path_.empty() ? message : path_ + ": " + message);
}

std::string node::text() const
{
    if (!yaml_.IsScalar()) fail("expected text");
    return yaml_.Scalar();
}

bool node::boolean() const
{
    const auto value = text();
    if (value == "true") return true;
    if (value == "false") return false;
    fail("expected true or false, found '" + quoted(value) + "'");
}

std::size_t node::count(std::size_t min, std::size_t max) const
{
    const auto value = text();
    std::size_t number = 0;
    const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (ec != std::errc() || end != value.data() + value.size() || number < min || number > max) {
        fail("expected a number from " + std::to_string(min) + " to " + std::to_string(max) + ", found '" + quoted(value) + "'");
    }
    return number;
}

std::size_t node::bytes(std::size_t min, std::size_t max) const
{
    const auto value = text();
    const auto number = scale(value, {{"", 1},
                                      {"B", 1},
                                      {"KiB", 1U << 10},
                                      {"MiB", 1U << 20},
                                      {"GiB", 1U << 30},
                                      {"kB", 1000},
                                      {"KB", 1000},
                                      {"MB", 1'000'000},
                                      {"GB", 1'000'000'000}});
    if (!number || *number < min || *number > max) {
        fail("expected a size from " + std::to_string(min) + " to " + std::to_string(max) + " bytes, such as 65536 or 64KiB, " +
             "found '" + quoted(value) + "'");
    }
    return static_cast<std::size_t>(*number);
}

std::chrono::milliseconds node::duration(std::chrono::milliseconds min, std::chrono::milliseconds max) const
{
    const auto value = text();
    const auto number = scale(value, {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}});
    if (!number || *number > static_cast<std::uint64_t>(max.count()) || *number < static_cast<std::uint64_t>(min.count())) {
        fail("expected a duration from " + std::to_string(min.count()) + "ms to " + std::to_string(max.count()) +
             "ms, such as 500ms, 10s, 5m or 24h, found '" + quoted(value) + "'");
    }
    return std::chrono::milliseconds(*number);
}

std::size_t node::one_of(std::initializer_list<std::string_view> words) const
{
    const auto value = text();
    const auto found = std::find(words.begin(), words.end(), value);
    if (found == words.end()) fail("expected one of " + join(words) + ", found '" + quoted(value) + "'");
    return static_cast<std::size_t>(found - words.begin());
}

void node::each(const std::function<void(const node&)>& visit) const
{
    if (is_null()) return;
    if (yaml_.IsMap()) fail("expected a list");
    if (yaml_.IsScalar()) {
        visit(*this);
        return;
    }
    std::size_t number = 0;
    for (const auto& element : yaml_) visit(at(element, path_ + '[' + std::to_string(number++) + ']'));
}

void node::each_key(const std::function<void(const std::string&, const node&)>& visit) const
{
    if (is_null()) return;
    if (!yaml_.IsMap()) fail("expected a mapping (key: value)");
    std::set<std::string> seen;
    for (const auto& pair : yaml_) {
        const auto name = at(pair.first, path_);
        const auto text = name.text();
        if (!seen.insert(text).second) name.fail("the key '" + quoted(text) + "' stands here twice");
        visit(text, at(pair.second, below(text)));
    }
}

void node::mapping(std::initializer_list<key> known) const
{
    if (is_null()) return;
    if (!yaml_.IsMap()) fail("expected a mapping (key: value)");
    std::set<std::string> seen;
    for (const auto& pair : yaml_) {
        const auto name = at(pair.first, path_);
        const auto text = name.text();
        if (!seen.insert(text).second) name.fail("the key '" + quoted(text) + "' stands here twice");
        const auto found = std::find_if(known.begin(), known.end(), [&](const key& each) { return each.name == text; });
        if (found == known.end()) {
            std::vector<std::string_view> names;
            for (const auto& k : known) names.push_back(k.name);
            name.fail(unknown_key(text, names));
        }
        found->read(at(pair.second, below(text)));
    }
}

node parse_document(const std::string& text, const std::string& file)
{
    try {
        check_yaml_bounds(text, file);
        auto documents = YAML::LoadAll(text);
        if (documents.size() > 1) {
            throw config_error({file, 0, 0}, "expected one YAML document, found " + std::to_string(documents.size()));
        }
        return {documents.empty() ? YAML::Node() : documents.front(), file, {}};
    }
    catch (const YAML::Exception& e) {
        throw config_error({file, e.mark.line + 1, e.mark.column + 1}, "not valid YAML: " + escape_line(e.msg));
    }
}

} // namespace cofferdam::config
