#include "policy/expr_lexer.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace cofferdam::policy::expr {
namespace {

struct spelling {
    std::string_view text;
    token_kind kind;
    comparison op = comparison::eq;
};

// Longer ones first where one begins another.
constexpr std::array symbols = std::to_array<spelling>({
    {"&&", token_kind::and_op},
    {"||", token_kind::or_op},
    {"==", token_kind::compare, comparison::eq},
    {"!=", token_kind::compare, comparison::ne},
    {">=", token_kind::compare, comparison::ge},
    {"<=", token_kind::compare, comparison::le},
    {"=~", token_kind::compare, comparison::matches},
    {">", token_kind::compare, comparison::gt},
    {"<", token_kind::compare, comparison::lt},
    {"!", token_kind::not_op},
    {"(", token_kind::open},
    {")", token_kind::close},
    {"[", token_kind::open_array},
    {"]", token_kind::close_array},
    {",", token_kind::comma},
});

constexpr std::array keywords = std::to_array<spelling>({
    {"and", token_kind::and_op},
    {"or", token_kind::or_op},
    {"not", token_kind::not_op},
    {"eq", token_kind::compare, comparison::eq},
    {"ne", token_kind::compare, comparison::ne},
    {"gt", token_kind::compare, comparison::gt},
    {"ge", token_kind::compare, comparison::ge},
    {"lt", token_kind::compare, comparison::lt},
    {"le", token_kind::compare, comparison::le},
    {"contains", token_kind::compare, comparison::contains},
    {"matches", token_kind::compare, comparison::matches},
    {"in", token_kind::compare, comparison::in},
});

constexpr bool is_digit(char c) noexcept
{
    return c >= '0' && c <= '9';
}
constexpr bool is_alpha(char c) noexcept
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_space(char c) noexcept
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
constexpr bool is_word(char c) noexcept
{
    return is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == ':' || c == '-';
}

unsigned nibble(char c) noexcept
{
    return static_cast<unsigned>(is_digit(c) ? c - '0' : to_lower(c) - 'a' + 10);
}

bool is_hex(char c) noexcept
{
    return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f');
}

class lexer {
public:
    explicit lexer(std::string_view source) : source_(source) {}

    std::vector<token> run()
    {
        std::vector<token> out;
        while (skip_space()) out.push_back(next(out.empty() || wants_operand(out.back().kind)));
        out.push_back({token_kind::end, source_.size(), {}});
        return out;
    }

private:
    static bool wants_operand(token_kind last) noexcept
    {
        return last != token_kind::close && last != token_kind::close_array && last != token_kind::constant &&
               last != token_kind::word;
    }

    std::string_view rest() const noexcept { return source_.substr(at_); }

    /// Skips blanks and comments; false at the end.
    bool skip_space()
    {
        while (at_ < source_.size()) {
            if (is_space(source_[at_])) {
                ++at_;
            }
            else if (rest().starts_with("--")) {
                at_ = std::min(source_.find('\n', at_), source_.size());
            }
            else if (rest().starts_with("/*")) {
                const auto close = source_.find("*/", at_ + 2);
                if (close == std::string_view::npos) throw syntax_error(at_, "the comment is not closed; '*/' expected");
                at_ = close + 2;
            }
            else {
                return true;
            }
        }
        return false;
    }

    token next(bool operand_due)
    {
        const char c = source_[at_];
        if (operand_due && (c == '/' || c == '|')) return regex(c);
        if (c == '"' || c == '\'') return string(c);
        const bool is_signed = operand_due && (c == '-' || c == '+') && rest().size() > 1 && is_digit(rest()[1]);
        if (is_signed || (is_word(c) && c != '-')) return word();
        for (const auto& symbol : symbols) {
            if (rest().starts_with(symbol.text)) return take(symbol.text.size(), symbol.kind, symbol.op);
        }
        throw syntax_error(at_, "unexpected '" + escape_line(rest().substr(0, 1)) + "'");
    }

    token take(std::size_t length, token_kind kind, comparison op = comparison::eq)
    {
        token out{kind, at_, source_.substr(at_, length), op};
        at_ += length;
        return out;
    }

    /// Up to the closing `quote`; `at_` is then behind it. Handles a backslash by calling `escape` with what follows it.
    template <class Escape>
    std::string delimited(char quote, const char* what, Escape escape)
    {
        const auto start = at_++;
        std::string out;
        while (at_ < source_.size() && source_[at_] != quote) {
            if (source_[at_] == '\\' && at_ + 1 < source_.size()) {
                escape(out, source_[at_ + 1]);
                at_ += 2;
            }
            else {
                out += source_[at_++];
            }
        }
        if (at_ == source_.size()) throw syntax_error(start, std::string(what) + " is not closed; '" + quote + "' expected");
        ++at_;
        return out;
    }

    token constant(std::size_t start, literal value) const
    {
        return {token_kind::constant, start, source_.substr(start, at_ - start), comparison::eq, std::move(value)};
    }

    token string(char quote)
    {
        const auto start = at_;
        literal value{.what = type::text};
        value.text = delimited(quote, "the string", [this](std::string& out, char c) {
            switch (c) {
            case 'n': out += '\n'; break;
            case 't': out += '\t'; break;
            case 'r': out += '\r'; break;
            case '\\':
            case '"':
            case '\'': out += c; break;
            default: throw syntax_error(at_, "unknown escape; a string knows \\n \\t \\r \\\\ \\\" \\'");
            }
        });
        return constant(start, std::move(value));
    }

    token regex(char quote)
    {
        const auto start = at_;
        const auto pattern = delimited(quote, "the regular expression", [quote](std::string& out, char c) {
            if (c != quote || quote == '|') out += '\\'; // "\|" must stay a literal bar
            out += c;
        });
        return constant(start, make_regex(pattern, start));
    }

    /// Keywords, field and function names, numbers, addresses, hex octets.
    token word()
    {
        const auto start = at_++;
        while (at_ < source_.size() && is_word(source_[at_]) && !rest().starts_with("--")) ++at_;
        const auto text = source_.substr(start, at_ - start);
        for (const auto& keyword : keywords) {
            if (equals_ignoring_case(text, keyword.text)) return {keyword.kind, start, text, keyword.op};
        }
        if (equals_ignoring_case(text, "true") || equals_ignoring_case(text, "false")) {
            return constant(start, {.what = type::boolean, .boolean = text.size() == 4});
        }
        if (auto value = address(text, start)) return constant(start, std::move(*value));
        if (text.find(':') != std::string_view::npos) return constant(start, hex_octets(text, start));
        if (!is_alpha(text.front()) && text.front() != '_') return constant(start, number(text, start));
        return {token_kind::word, start, text};
    }

    std::optional<literal> address(std::string_view text, std::size_t start)
    {
        const auto parsed = ip_address::parse(text);
        if (!parsed) return std::nullopt;
        if (!rest().starts_with('/') || rest().size() < 2 || !is_digit(rest()[1])) {
            literal value{.what = type::address};
            value.address = *parsed;
            return value;
        }
        ++at_;
        while (at_ < source_.size() && is_digit(source_[at_])) ++at_;
        const auto range = ip_prefix::parse(source_.substr(start, at_ - start));
        if (!range) throw syntax_error(start, "not an address range; no bits may be set behind the prefix length");
        literal value{.what = type::range};
        value.range = *range;
        return value;
    }

    static literal hex_octets(std::string_view text, std::size_t start)
    {
        literal value{.what = type::octets};
        for (std::size_t i = 0; i < text.size(); i += 3) {
            const bool pair = i + 2 <= text.size() && is_hex(text[i]) && is_hex(text[i + 1]);
            if (!pair || (i + 2 < text.size() && text[i + 2] != ':') || i + 3 == text.size()) {
                throw syntax_error(start, "'" + std::string(text) + "' is no IP address and no hex octets such as 47:45:54");
            }
            value.text += static_cast<char>(nibble(text[i]) * 16 + nibble(text[i + 1]));
        }
        return value;
    }

    static literal number(std::string_view text, std::size_t start)
    {
        const auto bad = [&] { return syntax_error(start, "'" + std::string(text) + "' is not a number or an address"); };
        auto digits = text;
        if (digits.front() == '+') digits.remove_prefix(1);
        const bool negative = digits.starts_with('-');
        const auto magnitude = negative ? digits.substr(1) : digits;
        if (magnitude.empty()) throw bad();
        if (magnitude.find('.') != std::string_view::npos) {
            literal value{.what = type::real};
            const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value.real);
            if (failed != std::errc{} || end != digits.data() + digits.size()) throw bad();
            return value;
        }
        int base = 10;
        auto body = magnitude;
        if (body.size() > 1 && body.front() == '0') {
            const char mark = to_lower(body[1]);
            base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
            if (base == 0) throw syntax_error(start, "a leading zero is ambiguous; write 0o17 for octal");
            body.remove_prefix(2);
        }
        literal value{.what = type::integer};
        if (body.empty() || body.front() == '-') throw bad();
        const auto [end, failed] = std::from_chars(body.data(), body.data() + body.size(), value.integer, base);
        if (failed != std::errc{} || end != body.data() + body.size()) throw bad();
        if (negative) value.integer = -value.integer;
        return value;
    }

    std::string_view source_;
    std::size_t at_ = 0;
};

} // namespace

std::vector<token> tokenise(std::string_view source)
{
    if (source.size() > max_expression_length) {
        throw syntax_error(0, "the expression is longer than " + std::to_string(max_expression_length) + " octets");
    }
    return lexer(source).run();
}

literal make_regex(std::string_view pattern, std::size_t offset)
{
    if (pattern.size() > max_regex_length) {
        throw syntax_error(offset, "the regular expression is longer than " + std::to_string(max_regex_length) + " octets");
    }
    re2::RE2::Options options(re2::RE2::Latin1);
    options.set_log_errors(false);
    options.set_never_capture(true);
    options.set_max_mem(max_regex_memory);
    literal value{.what = type::regex};
    value.text = pattern;
    auto compiled = std::make_shared<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
    if (!compiled->ok()) throw syntax_error(offset, "bad regular expression: " + escape_line(compiled->error()));
    value.regex = std::move(compiled);
    return value;
}

} // namespace cofferdam::policy::expr
