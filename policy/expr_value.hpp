#pragma once

#include "core/ip.hpp"

#include <cstdint>
#include <memory>
#include <re2/re2.h>
#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::policy::expr {

/// What an expression may turn out to say: a set of outcomes, one bit each. At the final stage there is exactly one; before,
/// a field may be known only later. `error`: a field is missing for good, so the expression is neither true nor false.
enum class truth : std::uint8_t { no = 1, yes = 2, error = 4, later = 7 };

/// True if the outcome may still be yes.
bool could_be_yes(truth t) noexcept;
truth negate(truth t) noexcept;          ///< error stays error
truth both(truth a, truth b) noexcept;   ///< no if a side is no; else error if a side is error; else yes
truth either(truth a, truth b) noexcept; ///< yes if a side is yes; else error if a side is error; else no

enum class type : std::uint8_t { boolean, integer, real, text, address, range, octets, regex, array };

std::string_view to_string(type t) noexcept; ///< for error messages: "a string", "an address"

/// A literal of an expression. Owns everything.
struct literal {
    type what = type::boolean;
    bool boolean = false;
    std::int64_t integer = 0;
    double real = 0;
    std::string text; ///< of text, octets, and the pattern of regex
    ip_address address;
    ip_prefix range;
    std::shared_ptr<const re2::RE2> regex;
    std::vector<literal> elements; ///< of array; never arrays themselves
};

/// What an operand is worth during one evaluation. Owns nothing.
struct value {
    enum class state : std::uint8_t {
        known,
        open_host, ///< `text` is a host to which a later stage may add ":port"
        later,
        missing,
    };
    state is = state::missing;
    type what = type::text;
    bool boolean = false;
    std::int64_t integer = 0;
    std::string_view text;
    ip_address address;
    const literal* constant = nullptr; ///< set for a literal; the members above then do not count

    static value of(bool b) noexcept { return {.is = state::known, .what = type::boolean, .boolean = b}; }
    static value of(std::int64_t n) noexcept { return {.is = state::known, .what = type::integer, .integer = n}; }
    static value of(std::string_view t) noexcept { return {.is = state::known, .what = type::text, .text = t}; }
    static value of(const ip_address& a) noexcept { return {.is = state::known, .what = type::address, .address = a}; }
    static value of(const literal& l) noexcept { return {.is = state::known, .what = l.what, .text = l.text, .constant = &l}; }
    static value open_host(std::string_view name) noexcept { return {.is = state::open_host, .what = type::text, .text = name}; }
    static value later() noexcept { return {.is = state::later}; }
    static value missing() noexcept { return {.is = state::missing}; }
};

enum class comparison : std::uint8_t { eq, ne, lt, le, gt, ge, contains, matches, in };

std::string_view to_string(comparison op) noexcept;

/// True if `left op right` can be anything but an error for values of these types. An array asks for each of its elements.
bool comparable(comparison op, type left, type right) noexcept;

/// `left op right`. Types must be comparable (the parser sees to it); others give error.
truth compare(comparison op, const value& left, const value& right);

truth starts_with(const value& whole, const value& prefix);
/// True if the domain is the zone or below it, at a label boundary. A ":port" behind the domain does not count.
truth in_zone(const value& domain, const value& zone);
/// The registrable domain (eTLD+1) of a text; missing if it has none.
value zone_of(const value& domain);

} // namespace cofferdam::policy::expr
