#include "policy/expr_parser.hpp"

#include "core/text.hpp"

namespace cofferdam::policy::expr {
namespace {

class parser {
public:
    explicit parser(std::string_view source) : tokens_(tokenise(source)) {}

    std::unique_ptr<node> run()
    {
        if (peek().kind == token_kind::end) throw syntax_error(0, "the expression is empty");
        auto root = disjunction();
        if (peek().kind != token_kind::end) {
            throw syntax_error(peek().offset, "expected an operator, 'and', 'or' or the end" + found());
        }
        return root;
    }

private:
    const token& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
    token take() { return std::move(tokens_[at_++]); }

    bool accept(token_kind kind)
    {
        if (peek().kind != kind) return false;
        ++at_;
        return true;
    }

    void expect(token_kind kind, const std::string& what)
    {
        if (!accept(kind)) throw syntax_error(peek().offset, "expected " + what + found());
    }

    std::string found() const
    {
        return peek().kind == token_kind::end ? ", found the end" : ", found '" + escape_line(peek().text) + "'";
    }

    /// Counts nesting for as long as it lives.
    struct nesting {
        explicit nesting(parser& p) : owner(p)
        {
            if (++owner.depth_ > max_depth) {
                throw syntax_error(owner.peek().offset, "nested deeper than " + std::to_string(max_depth) + " levels");
            }
        }
        ~nesting() { --owner.depth_; }
        nesting(const nesting&) = delete;
        nesting& operator=(const nesting&) = delete;
        parser& owner;
    };

    std::unique_ptr<node> disjunction()
    {
        return chain(token_kind::or_op, node::form::any, [this] { return conjunction(); });
    }

    std::unique_ptr<node> conjunction()
    {
        return chain(token_kind::and_op, node::form::all, [this] { return negation(); });
    }

    template <class Part>
    std::unique_ptr<node> chain(token_kind op, node::form form, Part part)
    {
        auto first = part();
        if (peek().kind != op) return first;
        auto out = std::make_unique<node>();
        out->is = form;
        out->children.push_back(std::move(first));
        while (accept(op)) out->children.push_back(part());
        return out;
    }

    std::unique_ptr<node> negation()
    {
        if (!accept(token_kind::not_op)) return primary();
        const nesting level(*this);
        auto out = std::make_unique<node>();
        out->is = node::form::none;
        out->children.push_back(negation());
        return out;
    }

    std::unique_ptr<node> primary()
    {
        if (accept(token_kind::open)) {
            const nesting level(*this);
            auto inner = disjunction();
            expect(token_kind::close, "')'");
            return inner;
        }
        if (peek().kind == token_kind::word && peek(1).kind == token_kind::open && !equals_ignoring_case(peek().text, "zone")) {
            return predicate();
        }
        return comparison_or_truth();
    }

    std::unique_ptr<node> predicate()
    {
        const auto name = take();
        auto out = std::make_unique<node>();
        if (equals_ignoring_case(name.text, "starts_with"))
            out->is = node::form::starts_with;
        else if (equals_ignoring_case(name.text, "in_zone"))
            out->is = node::form::in_zone;
        else {
            throw syntax_error(name.offset,
                               "unknown function '" + std::string(name.text) + "'; there are starts_with, in_zone and zone");
        }
        expect(token_kind::open, "'('");
        out->left = text_argument();
        expect(token_kind::comma, "',' and a second argument");
        out->right = text_argument();
        expect(token_kind::close, "')'");
        return out;
    }

    operand text_argument()
    {
        const auto offset = peek().offset;
        auto out = any_operand();
        if (out.what != type::text) throw syntax_error(offset, "expected a string, found " + std::string(to_string(out.what)));
        return out;
    }

    std::unique_ptr<node> comparison_or_truth()
    {
        const auto offset = peek().offset;
        auto out = std::make_unique<node>();
        out->left = any_operand();
        if (peek().kind != token_kind::compare) {
            if (out->left.what != type::boolean) {
                throw syntax_error(peek().offset, "expected a comparison such as '=='" + found());
            }
            return out;
        }
        const auto op = take();
        out->is = node::form::compare;
        out->op = op.op;
        const auto right_offset = peek().offset;
        out->right = any_operand();
        if (out->op == comparison::matches) as_pattern(out->right, right_offset);
        check(*out, offset, right_offset);
        return out;
    }

    /// A string on the right of `matches` is a pattern too.
    static void as_pattern(operand& right, std::size_t offset)
    {
        if (right.is != operand::form::constant) throw syntax_error(offset, "expected a regular expression such as /^a/");
        const auto compile = [offset](literal& l) {
            if (l.what == type::text) l = make_regex(l.text, offset);
        };
        compile(right.constant);
        for (auto& element : right.constant.elements) compile(element);
        right.what = right.constant.what;
    }

    /// Refuses what could only ever be an error: a rule that never matches is a rule that is not there.
    static void check(const node& n, std::size_t left_offset, std::size_t right_offset)
    {
        const bool array_left = n.left.what == type::array;
        const bool array_right = n.right.what == type::array;
        if (n.op == comparison::in && !array_right && n.right.what != type::range) {
            throw syntax_error(right_offset, "'in' needs an array or an address range on its right");
        }
        if (array_left && (array_right || (n.op != comparison::contains && n.op != comparison::eq && n.op != comparison::ne))) {
            throw syntax_error(left_offset, "an array cannot stand on this side of '" + std::string(to_string(n.op)) + "'");
        }
        if (!array_left && !array_right) return check_pair(n.op, n.left.what, n.right.what, right_offset);
        const auto& elements = array_left ? n.left.constant.elements : n.right.constant.elements;
        const auto other = array_left ? n.right.what : n.left.what;
        const bool membership = n.op == comparison::in || (array_left && n.op == comparison::contains);
        const auto op = membership ? comparison::eq : n.op;
        for (const auto& element : elements) check_pair(op, other, element.what, array_left ? left_offset : right_offset);
        const bool ordering =
            n.op == comparison::lt || n.op == comparison::le || n.op == comparison::gt || n.op == comparison::ge;
        if (ordering) throw syntax_error(right_offset, "an array has no order");
    }

    static void check_pair(comparison op, type left, type right, std::size_t offset)
    {
        if (comparable(op, left, right)) return;
        throw syntax_error(offset, std::string(to_string(left)) + " '" + std::string(to_string(op)) + "' " +
                                       std::string(to_string(right)) + " is never true; there is no coercion");
    }

    operand any_operand()
    {
        const nesting level(*this);
        switch (peek().kind) {
        case token_kind::constant: {
            operand out;
            out.constant = take().constant;
            out.what = out.constant.what;
            return out;
        }
        case token_kind::open_array: return array();
        case token_kind::word: return peek(1).kind == token_kind::open ? zone() : named_field();
        default: throw syntax_error(peek().offset, "expected a field, a value or a function" + found());
        }
    }

    operand named_field()
    {
        const auto name = take();
        auto found_field = find_field(name.text);
        if (!found_field) {
            throw syntax_error(name.offset, "unknown field '" + std::string(name.text) +
                                                "'; there are dst.domain, http.req.path, ...; strings are quoted");
        }
        operand out;
        out.is = operand::form::field;
        out.what = type_of(found_field->which);
        out.from = std::move(*found_field);
        return out;
    }

    operand zone()
    {
        const auto name = take();
        if (!equals_ignoring_case(name.text, "zone")) {
            throw syntax_error(name.offset, "'" + std::string(name.text) + "' is not a function with a value; only zone is");
        }
        expect(token_kind::open, "'('");
        operand out;
        out.is = operand::form::zone;
        out.what = type::text;
        out.argument = std::make_unique<operand>(text_argument());
        expect(token_kind::close, "')'");
        return out;
    }

    operand array()
    {
        operand out;
        out.what = out.constant.what = type::array;
        expect(token_kind::open_array, "'['");
        if (accept(token_kind::close_array)) return out;
        do {
            if (peek().kind != token_kind::constant) throw syntax_error(peek().offset, "expected a value in the array" + found());
            out.constant.elements.push_back(take().constant);
        } while (accept(token_kind::comma));
        expect(token_kind::close_array, "',' or ']'");
        return out;
    }

    std::vector<token> tokens_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
};

} // namespace

std::unique_ptr<node> parse_expression(std::string_view source)
{
    return parser(source).run();
}

} // namespace cofferdam::policy::expr
