#include "config/xml.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace cofferdam::config {
namespace {

constexpr std::string_view space = " \t\r\n";

std::string trimmed(const std::string& text)
{
    const auto first = text.find_first_not_of(space);
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(space) - first + 1);
}

/// Reads tags from front to back and keeps the open elements on a stack of its own.
class xml_reader {
public:
    explicit xml_reader(std::string_view text) : rest_(text) { open_.emplace_back(); }

    bool document()
    {
        while (!rest_.empty()) {
            if (rest_.front() == '<' ? !markup() : !character_data()) return false;
        }
        return open_.size() == 1 && !open_.front().children.empty();
    }

    xml_element take_root() { return std::move(open_.front()); }
    int line = 1;
    bool too_large = false;

private:
    std::string_view advance(std::size_t size)
    {
        const auto taken = rest_.substr(0, size);
        line += static_cast<int>(std::count(taken.begin(), taken.end(), '\n'));
        rest_.remove_prefix(size);
        return taken;
    }

    /// Takes what begins with `start`; what is in front of `stop` is its content.
    bool enclosed(std::string_view start, std::string_view stop, std::string_view& content)
    {
        if (!rest_.starts_with(start)) return false;
        const auto end = rest_.find(stop, start.size());
        if (end == std::string_view::npos) return false;
        content = advance(end + stop.size()).substr(start.size(), end - start.size());
        return true;
    }

    bool markup()
    {
        std::string_view content;
        if (enclosed("<!--", "-->", content) || enclosed("<?", "?>", content)) return true;
        if (enclosed("<![CDATA[", "]]>", content)) {
            open_.back().text += content;
            return true;
        }
        if (rest_.starts_with("<!") || rest_.starts_with("<?")) return false;
        return rest_.starts_with("</") ? end_tag() : start_tag();
    }

    bool start_tag()
    {
        const auto size = tag_size();
        if (size == 0) return false;
        if (open_.size() > max_xml_depth || ++elements_ > max_xml_elements) return !(too_large = true);
        xml_element element;
        element.line = line;
        auto inner = advance(size).substr(1, size - 2);
        const bool closed = inner.ends_with('/');
        if (closed) inner.remove_suffix(1);
        element.name = local_name(inner);
        if (element.name.empty()) return false;
        if (closed)
            open_.back().children.push_back(std::move(element));
        else
            open_.push_back(std::move(element));
        return true;
    }

    /// Octets up to and with the '>' that ends the tag: one in an attribute's value doesn't.
    std::size_t tag_size() const
    {
        char quote = 0;
        for (std::size_t i = 1; i < rest_.size(); ++i) {
            const char c = rest_[i];
            if (quote != 0)
                quote = c == quote ? '\0' : quote;
            else if (c == '"' || c == '\'')
                quote = c;
            else if (c == '>')
                return i + 1;
            else if (c == '<')
                return 0;
        }
        return 0;
    }

    bool end_tag()
    {
        std::string_view content;
        if (!enclosed("</", ">", content) || open_.size() < 2 || local_name(content) != open_.back().name) return false;
        auto done = std::move(open_.back());
        open_.pop_back();
        done.text = trimmed(done.text);
        open_.back().children.push_back(std::move(done));
        return true;
    }

    static std::string local_name(std::string_view tag)
    {
        tag = tag.substr(0, tag.find_first_of(space));
        const auto colon = tag.rfind(':');
        return std::string(colon == std::string_view::npos ? tag : tag.substr(colon + 1));
    }

    bool character_data()
    {
        const auto text = advance(std::min(rest_.find('<'), rest_.size()));
        auto& out = open_.back().text;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] != '&') {
                out += text[i];
                continue;
            }
            const auto semicolon = text.find(';', i);
            if (semicolon == std::string_view::npos) return false;
            const char meant = entity(text.substr(i + 1, semicolon - i - 1));
            if (meant == 0) return false;
            out += meant;
            i = semicolon;
        }
        return true;
    }

    static char entity(std::string_view name)
    {
        static constexpr std::array<std::pair<std::string_view, char>, 5> known{
            {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}}};
        for (const auto& [known_name, meaning] : known) {
            if (known_name == name) return meaning;
        }
        // A character reference names no character of a URL that has no plainer spelling; it stays visible as '?'.
        return name.starts_with('#') ? '?' : '\0';
    }

    std::string_view rest_;
    std::vector<xml_element> open_;
    std::size_t elements_ = 0;
};

} // namespace

std::string_view xml_element::child_text(std::string_view child) const
{
    const auto found = std::find_if(children.begin(), children.end(), [&](const auto& each) { return each.name == child; });
    return found == children.end() ? std::string_view() : std::string_view(found->text);
}

std::vector<const xml_element*> xml_element::find(std::string_view path) const
{
    std::vector<const xml_element*> at{this};
    while (!path.empty()) {
        const auto slash = std::min(path.find('/'), path.size());
        std::vector<const xml_element*> below;
        for (const auto* element : at) {
            for (const auto& child : element->children) {
                if (child.name == path.substr(0, slash)) below.push_back(&child);
            }
        }
        at = std::move(below);
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return at;
}

result<xml_element> parse_xml(std::string_view text, int& line_of_error)
{
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    xml_reader reader(text);
    if (reader.document()) return reader.take_root();
    line_of_error = reader.line;
    return reader.too_large ? errc::too_large : errc::malformed;
}

} // namespace cofferdam::config
