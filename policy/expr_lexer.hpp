#pragma once

#include "policy/expr_value.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::policy::expr {

inline constexpr std::size_t max_expression_length = 16384; ///< octets
inline constexpr std::size_t max_regex_length = 1024;       ///< octets of one pattern
inline constexpr std::int64_t max_regex_memory = 1 << 20;   ///< octets, as RE2's max_mem

/// What is wrong with an expression, and where.
class syntax_error : public std::runtime_error {
public:
    syntax_error(std::size_t at, const std::string& message) : std::runtime_error(message), offset(at) {}
    std::size_t offset; ///< octets from the start of the expression
};

enum class token_kind : std::uint8_t {
    end,
    open,
    close,
    open_array,
    close_array,
    comma,
    and_op,
    or_op,
    not_op,
    compare,
    constant,
    word
};

struct token {
    token_kind kind = token_kind::end;
    std::size_t offset = 0;
    std::string_view text;          ///< the source; the name for word
    comparison op = comparison::eq; ///< for compare
    literal constant;               ///< for constant
};

/// Splits an expression into tokens; the last one is `end`. '/' and '|' begin a regular expression where an operand is due.
/// The views point into `source`. Throws syntax_error.
std::vector<token> tokenise(std::string_view source);

/// Compiles a pattern (RE2 syntax, octets rather than characters, searches anywhere). Throws syntax_error at `offset`.
literal make_regex(std::string_view pattern, std::size_t offset);

} // namespace cofferdam::policy::expr
