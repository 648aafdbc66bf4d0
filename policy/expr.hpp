#pragma once

#include "policy/expr_fields.hpp"
#include "policy/expr_lexer.hpp"

#include <memory>
#include <string_view>

namespace cofferdam::policy::expr {

inline constexpr std::size_t max_depth = 64; ///< of nested parentheses, `not` and calls

struct node;

/// A compiled rule expression. Immutable, cheap to copy, safe to evaluate from many threads.
///
/// Words are case-insensitive; `not` binds tightest, then comparisons, `and`, `or`:
///   http.req.method == "POST" && not (http.req.host in ["api.example"])
///   dst.ip == 10.0.0.0/8 or in_zone(dst.domain, "corp.example")    -- comment
/// There is no coercion; operands that can never be compared are an error when the rule is compiled, as is an unknown field.
class expression {
public:
    /// Throws syntax_error.
    static expression compile(std::string_view source);

    /// yes, no, or why neither. Does not throw.
    truth evaluate(const fields& known) const;

private:
    explicit expression(std::shared_ptr<const node> root) : root_(std::move(root)) {}
    std::shared_ptr<const node> root_;
};

} // namespace cofferdam::policy::expr
