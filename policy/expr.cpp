#include "policy/expr.hpp"

#include "policy/expr_parser.hpp"

namespace cofferdam::policy::expr {
namespace {

value worth(const operand& of, const fields& known)
{
    switch (of.is) {
    case operand::form::field: return known.get(of.from.which, of.from.header);
    case operand::form::constant: return value::of(of.constant);
    case operand::form::zone: return zone_of(worth(*of.argument, known));
    }
    return value::missing();
}

truth truth_of(const value& v) noexcept
{
    if (v.is == value::state::later) return truth::later;
    if (v.is == value::state::missing || v.what != type::boolean) return truth::error;
    return (v.constant ? v.constant->boolean : v.boolean) ? truth::yes : truth::no;
}

truth judge(const node& n, const fields& known)
{
    switch (n.is) {
    case node::form::all: {
        truth out = truth::yes;
        for (const auto& child : n.children) {
            out = both(out, judge(*child, known));
            if (out == truth::no) break;
        }
        return out;
    }
    case node::form::any: {
        truth out = truth::no;
        for (const auto& child : n.children) {
            out = either(out, judge(*child, known));
            if (out == truth::yes) break;
        }
        return out;
    }
    case node::form::none: return negate(judge(*n.children.front(), known));
    case node::form::compare: return compare(n.op, worth(n.left, known), worth(n.right, known));
    case node::form::truthy: return truth_of(worth(n.left, known));
    case node::form::starts_with: return starts_with(worth(n.left, known), worth(n.right, known));
    case node::form::in_zone: return in_zone(worth(n.left, known), worth(n.right, known));
    }
    return truth::error;
}

} // namespace

expression expression::compile(std::string_view source)
{
    return expression(parse_expression(source));
}

truth expression::evaluate(const fields& known) const
{
    return judge(*root_, known);
}

} // namespace cofferdam::policy::expr
