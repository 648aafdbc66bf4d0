#include "policy/expr_value.hpp"

#include "core/text.hpp"
#include "core/zone.hpp"

#include <algorithm>

namespace cofferdam::policy::expr {
namespace {

bool has(truth set, truth outcome) noexcept
{
    return (static_cast<unsigned>(set) & static_cast<unsigned>(outcome)) != 0;
}

truth set_of(bool no, bool yes, bool error) noexcept
{
    return static_cast<truth>((no ? 1U : 0U) | (yes ? 2U : 0U) | (error ? 4U : 0U));
}

truth from(bool b) noexcept
{
    return b ? truth::yes : truth::no;
}

bool is_number(type t) noexcept
{
    return t == type::integer || t == type::real;
}
bool is_textual(type t) noexcept
{
    return t == type::text || t == type::octets;
}

double as_real(const value& v) noexcept
{
    if (v.what == type::real) return v.constant->real;
    return static_cast<double>(v.constant ? v.constant->integer : v.integer);
}

std::int64_t as_integer(const value& v) noexcept
{
    return v.constant ? v.constant->integer : v.integer;
}
bool as_boolean(const value& v) noexcept
{
    return v.constant ? v.constant->boolean : v.boolean;
}
const ip_address& as_address(const value& v) noexcept
{
    return v.constant ? v.constant->address : v.address;
}

/// error or later if a side has no value yet; nothing to say otherwise (yes).
truth readiness(const value& a, const value& b) noexcept
{
    if (a.is == value::state::missing || b.is == value::state::missing) return truth::error;
    if (a.is == value::state::later || b.is == value::state::later) return truth::later;
    return truth::yes;
}

/// `host` may still get ":port" at its end; `other` is all there is.
truth equal_open_host(std::string_view host, std::string_view other) noexcept
{
    if (host == other) return truth::yes;
    const bool names_port = other.size() > host.size() && other.starts_with(host) && other[host.size()] == ':';
    return names_port ? truth::later : truth::no;
}

truth equal(const value& a, const value& b);

truth any_equal(const value& single, const std::vector<literal>& elements)
{
    truth out = truth::no;
    for (const auto& element : elements) {
        out = either(out, equal(single, value::of(element)));
        if (out == truth::yes) break;
    }
    return out;
}

truth equal(const value& a, const value& b)
{
    if (b.what == type::array) return any_equal(a, b.constant->elements);
    if (a.what == type::array) return any_equal(b, a.constant->elements);
    if (is_textual(a.what) && is_textual(b.what)) {
        if (a.is == value::state::open_host) return equal_open_host(a.text, b.text);
        if (b.is == value::state::open_host) return equal_open_host(b.text, a.text);
        return from(a.text == b.text);
    }
    if (a.what == type::integer && b.what == type::integer) return from(as_integer(a) == as_integer(b));
    if (is_number(a.what) && is_number(b.what)) return from(as_real(a) == as_real(b));
    if (a.what == type::boolean && b.what == type::boolean) return from(as_boolean(a) == as_boolean(b));
    if (a.what == type::address && b.what == type::address) return from(as_address(a).unmapped() == as_address(b).unmapped());
    if (a.what == type::address && b.what == type::range) return from(b.constant->range.contains(as_address(a).unmapped()));
    if (a.what == type::range && b.what == type::address) return equal(b, a);
    if (a.what == type::range && b.what == type::range) return from(a.constant->range == b.constant->range);
    return truth::error;
}

template <class Number>
bool ordered(comparison op, Number a, Number b) noexcept
{
    switch (op) {
    case comparison::lt: return a < b;
    case comparison::le: return a <= b;
    case comparison::gt: return a > b;
    default: return a >= b;
    }
}

truth order(comparison op, const value& a, const value& b) noexcept
{
    if (a.what == type::integer && b.what == type::integer) return from(ordered(op, as_integer(a), as_integer(b)));
    if (is_number(a.what) && is_number(b.what)) return from(ordered(op, as_real(a), as_real(b)));
    return truth::error;
}

truth contains(const value& whole, const value& part)
{
    if (whole.what == type::array || whole.what == type::range) return equal(whole, part);
    if (part.what == type::array) {
        truth out = truth::no;
        for (const auto& element : part.constant->elements) out = either(out, contains(whole, value::of(element)));
        return out;
    }
    if (!is_textual(whole.what) || !is_textual(part.what)) return truth::error;
    if (whole.text.find(part.text) != std::string_view::npos) return truth::yes;
    const bool may_be_port = part.text.find_first_of(":0123456789") != std::string_view::npos;
    return whole.is == value::state::open_host && may_be_port ? truth::later : truth::no;
}

/// True if a pattern speaks of a colon outside of "(?:" and so may mean the port of a host.
bool mentions_colon(std::string_view pattern) noexcept
{
    for (auto at = pattern.find(':'); at != std::string_view::npos; at = pattern.find(':', at + 1)) {
        if (at < 2 || pattern.substr(at - 2, 2) != "(?") return true;
    }
    return false;
}

truth matches(const value& text, const literal& pattern)
{
    if (pattern.what == type::array) {
        truth out = truth::no;
        for (const auto& element : pattern.elements) out = either(out, matches(text, element));
        return out;
    }
    if (!pattern.regex || !is_textual(text.what)) return truth::error;
    const re2::StringPiece subject(text.text.data(), text.text.size());
    if (re2::RE2::PartialMatch(subject, *pattern.regex)) return truth::yes;
    return text.is == value::state::open_host && mentions_colon(pattern.text) ? truth::later : truth::no;
}

/// A host without ":port"; text that is no host is returned as it is.
std::string_view without_port(std::string_view host) noexcept
{
    const auto colon = host.rfind(':');
    return colon == std::string_view::npos ? host : host.substr(0, colon);
}

} // namespace

bool could_be_yes(truth t) noexcept
{
    return has(t, truth::yes);
}

truth negate(truth t) noexcept
{
    return set_of(has(t, truth::yes), has(t, truth::no), has(t, truth::error));
}

truth both(truth a, truth b) noexcept
{
    const bool a_not_no = has(a, truth::yes) || has(a, truth::error);
    const bool b_not_no = has(b, truth::yes) || has(b, truth::error);
    return set_of(has(a, truth::no) || has(b, truth::no), has(a, truth::yes) && has(b, truth::yes),
                  (has(a, truth::error) && b_not_no) || (has(b, truth::error) && a_not_no));
}

truth either(truth a, truth b) noexcept
{
    return negate(both(negate(a), negate(b)));
}

std::string_view to_string(type t) noexcept
{
    switch (t) {
    case type::boolean: return "a boolean";
    case type::integer: return "an integer";
    case type::real: return "a number";
    case type::text: return "a string";
    case type::address: return "an IP address (without quotes)";
    case type::range: return "an address range (without quotes)";
    case type::octets: return "hex octets";
    case type::regex: return "a regular expression";
    case type::array: return "an array";
    }
    return "a value";
}

std::string_view to_string(comparison op) noexcept
{
    switch (op) {
    case comparison::eq: return "==";
    case comparison::ne: return "!=";
    case comparison::lt: return "<";
    case comparison::le: return "<=";
    case comparison::gt: return ">";
    case comparison::ge: return ">=";
    case comparison::contains: return "contains";
    case comparison::matches: return "matches";
    case comparison::in: return "in";
    }
    return "?";
}

bool comparable(comparison op, type left, type right) noexcept
{
    const bool textual = is_textual(left) && is_textual(right);
    const bool numeric = is_number(left) && is_number(right);
    const auto address = [](type t) { return t == type::address || t == type::range; };
    switch (op) {
    case comparison::eq:
    case comparison::ne:
        if (left == type::boolean && right == type::boolean) return true;
        return textual || numeric || (address(left) && address(right));
    case comparison::contains: return textual || (left == type::range && right == type::address);
    case comparison::matches: return is_textual(left) && right == type::regex;
    case comparison::in: return left == type::address && right == type::range;
    default: return numeric;
    }
}

truth compare(comparison op, const value& left, const value& right)
{
    if (const auto ready = readiness(left, right); ready != truth::yes) return ready;
    switch (op) {
    case comparison::eq:
    case comparison::in: return equal(left, right);
    case comparison::ne: return negate(equal(left, right));
    case comparison::contains: return contains(left, right);
    case comparison::matches: return right.constant ? matches(left, *right.constant) : truth::error;
    default: return order(op, left, right);
    }
}

truth starts_with(const value& whole, const value& prefix)
{
    if (const auto ready = readiness(whole, prefix); ready != truth::yes) return ready;
    if (!is_textual(whole.what) || !is_textual(prefix.what)) return truth::error;
    if (whole.text.starts_with(prefix.text)) return truth::yes;
    return whole.is == value::state::open_host ? equal_open_host(whole.text, prefix.text) : truth::no;
}

truth in_zone(const value& domain, const value& zone)
{
    if (const auto ready = readiness(domain, zone); ready != truth::yes) return ready;
    auto top = zone.text;
    if (top.starts_with('.')) top.remove_prefix(1);
    const auto name = without_port(domain.text);
    if (top.empty() || name.size() < top.size()) return truth::no;
    const auto front = name.substr(0, name.size() - top.size());
    return from(equals_ignoring_case(name.substr(front.size()), top) && (front.empty() || front.ends_with('.')));
}

value zone_of(const value& domain)
{
    if (domain.is == value::state::later || domain.is == value::state::missing) return domain;
    const auto name = without_port(domain.text);
    if (domain.what != type::text || ip_address::parse(name) || name.starts_with('[')) return value::missing();
    const auto zone = registrable_domain(name);
    return zone ? value::of(*zone) : value::missing();
}

} // namespace cofferdam::policy::expr
