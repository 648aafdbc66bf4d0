#include "config/toml.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cstdint>

namespace cofferdam::config {
namespace {

bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

void append_utf8(std::uint32_t code, std::string& out)
{
    const auto put = [&](std::uint32_t octet) { out += static_cast<char>(octet); };
    if (code < 0x80) return put(code);
    if (code < 0x800)
        put(0xC0 | code >> 6);
    else {
        if (code < 0x10000)
            put(0xE0 | code >> 12);
        else {
            put(0xF0 | code >> 18);
            put(0x80 | (code >> 12 & 0x3F));
        }
        put(0x80 | (code >> 6 & 0x3F));
    }
    put(0x80 | (code & 0x3F));
}

/// Reads a document from front to back. Each method returns false at what is not TOML.
class toml_reader {
public:
    explicit toml_reader(std::string_view text) : rest_(text) {}

    bool document()
    {
        while (skip_lines()) {
            if (rest_.empty()) return true;
            if (rest_.front() == '[' ? !header() : !pair(table_)) return false;
            if (!end_of_line()) return false;
        }
        return false;
    }

    std::vector<toml_row> rows;
    int line = 1;
    bool too_deep = false;

private:
    using path = std::vector<std::string>;

    bool take(std::string_view what)
    {
        if (!rest_.starts_with(what)) return false;
        line += static_cast<int>(std::count(what.begin(), what.end(), '\n'));
        rest_.remove_prefix(what.size());
        return true;
    }

    void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

    bool skip_comment()
    {
        if (rest_.starts_with('#')) rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
        return true;
    }

    /// White space, comments and line ends; always true.
    bool skip_lines()
    {
        do {
            skip_space();
            skip_comment();
        } while (take("\n") || take("\r\n"));
        return true;
    }

    bool end_of_line()
    {
        skip_space();
        skip_comment();
        return rest_.empty() || take("\n") || take("\r\n");
    }

    bool header()
    {
        const bool array = take("[[");
        if (!array) take("[");
        table_.clear();
        if (!key(table_)) return false;
        return take(array ? "]]" : "]");
    }

    /// A dotted key, appended to `to`.
    bool key(path& to)
    {
        do {
            skip_space();
            std::string part;
            if (rest_.starts_with('"') || rest_.starts_with('\'')) {
                if (!text(part, false)) return false;
            }
            else {
                const auto size = static_cast<std::size_t>(std::find_if_not(rest_.begin(), rest_.end(), is_bare) - rest_.begin());
                if (size == 0) return false;
                part = rest_.substr(0, size);
                rest_.remove_prefix(size);
            }
            if (to.size() >= max_toml_depth) return !(too_deep = true);
            to.push_back(std::move(part));
            skip_space();
        } while (take("."));
        return true;
    }

    bool pair(path where)
    {
        if (!key(where)) return false;
        if (!take("=")) return false;
        skip_space();
        return value(where, 0);
    }

    bool value(const path& where, std::size_t depth)
    {
        if (depth > max_toml_depth) return !(too_deep = true);
        if (rest_.empty()) return false;
        const int at = line;
        if (rest_.front() == '"' || rest_.front() == '\'') {
            std::string out;
            if (!text(out, true)) return false;
            rows.push_back({where, std::move(out), at});
            return true;
        }
        if (take("[")) return array(where, depth);
        if (take("{")) return inline_table(where, depth);
        const auto size = std::min(rest_.find_first_of(",]}#\r\n"), rest_.size());
        auto scalar = rest_.substr(0, size);
        while (scalar.ends_with(' ') || scalar.ends_with('\t')) scalar.remove_suffix(1);
        const auto plain = [](char c) { return is_bare(c) || c == '+' || c == '.' || c == ':'; };
        const auto odd = static_cast<std::size_t>(std::find_if_not(scalar.begin(), scalar.end(), plain) - scalar.begin());
        constexpr std::size_t date = std::string_view("1979-05-27").size(); // a space may stand between date and time
        const bool dated = odd == date && odd < scalar.size() && scalar[odd] == ' ' &&
                           std::all_of(scalar.begin() + date + 1, scalar.end(), plain);
        if (scalar.empty() || (odd < scalar.size() && !dated)) return false;
        rows.push_back({where, std::string(scalar), at});
        rest_.remove_prefix(size);
        return true;
    }

    bool array(const path& where, std::size_t depth)
    {
        while (skip_lines()) {
            if (take("]")) return true;
            if (!value(where, depth + 1)) return false;
            skip_lines();
            if (take("]")) return true;
            if (!take(",")) return false;
        }
        return false;
    }

    bool inline_table(const path& where, std::size_t depth)
    {
        skip_space();
        if (take("}")) return true;
        do {
            path inner = where;
            skip_space();
            if (!key(inner) || !take("=")) return false;
            skip_space();
            if (!value(inner, depth + 1)) return false;
            skip_space();
        } while (take(","));
        return take("}");
    }

    bool text(std::string& out, bool may_span)
    {
        const char quote = rest_.front();
        const std::string triple(3, quote);
        const bool spans = may_span && take(triple);
        if (spans) {
            if (!take("\r\n")) take("\n");
        }
        else
            rest_.remove_prefix(1);
        while (!rest_.empty()) {
            if (spans ? take(triple) : take(std::string_view(&quote, 1))) {
                while (spans && rest_.starts_with(quote) && take(std::string_view(&quote, 1))) out += quote;
                return true;
            }
            const char c = rest_.front();
            if (c == '\n') {
                if (!spans) return false;
                ++line;
            }
            if (c == '\\' && quote == '"') {
                if (!escape(out, spans)) return false;
                continue;
            }
            out += c;
            rest_.remove_prefix(1);
        }
        return false;
    }

    bool escape(std::string& out, bool spans)
    {
        rest_.remove_prefix(1);
        if (rest_.empty()) return false;
        const char c = rest_.front();
        if (spans && (c == '\n' || c == '\r' || c == ' ' || c == '\t')) { // a line-ending backslash
            skip_space();
            if (!take("\n") && !take("\r\n")) return false;
            do skip_space();
            while (take("\n") || take("\r\n"));
            return true;
        }
        rest_.remove_prefix(1);
        if (c == 'u' || c == 'U') return code_point(c == 'u' ? 4 : 8, out);
        constexpr std::string_view names = "btnfr\"\\", meanings = "\b\t\n\f\r\"\\";
        const auto found = names.find(c);
        if (found == std::string_view::npos) return false;
        out += meanings[found];
        return true;
    }

    bool code_point(std::size_t digits, std::string& out)
    {
        if (rest_.size() < digits) return false;
        std::uint32_t code = 0;
        for (const char c : rest_.substr(0, digits)) {
            const auto found = std::string_view("0123456789abcdef").find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
            if (found == std::string_view::npos) return false;
            code = code << 4 | static_cast<std::uint32_t>(found);
        }
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
        rest_.remove_prefix(digits);
        append_utf8(code, out);
        return true;
    }

    std::string_view rest_;
    path table_;
};

} // namespace

result<std::vector<toml_row>> parse_toml(std::string_view text, int& line_of_error)
{
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    toml_reader reader(text);
    if (reader.document()) return std::move(reader.rows);
    line_of_error = reader.line;
    return reader.too_deep ? errc::too_large : errc::malformed;
}

} // namespace cofferdam::config
