#pragma once

#include "policy/expr.hpp"

#include <memory>
#include <string>
#include <vector>

namespace cofferdam::policy::expr {

/// One side of a comparison, or an argument.
struct operand {
    enum class form : std::uint8_t { field, constant, zone };
    form is = form::constant;
    type what = type::text;
    field_name from;                   ///< for field
    literal constant;                  ///< for constant
    std::unique_ptr<operand> argument; ///< for zone(argument)
};

/// A truth-valued part of an expression.
struct node {
    enum class form : std::uint8_t { all, any, none, compare, truthy, starts_with, in_zone };
    form is = form::truthy;
    comparison op = comparison::eq;              ///< for compare
    std::vector<std::unique_ptr<node>> children; ///< of all, any (two or more) and none (one)
    operand left, right;                         ///< of the others; truthy has only `left`
};

/// Parses and checks a whole expression. Throws syntax_error.
std::unique_ptr<node> parse_expression(std::string_view source);

} // namespace cofferdam::policy::expr
