#pragma once

#include "core/result.hpp"

#include <type_traits>

namespace cofferdam {

/// Outcomes shared by every parser and state machine. `need_more` is not a failure: the bytes seen so
/// far are a valid prefix. All others are final for the input.
enum class errc {
    need_more = 1, ///< incomplete, feed more bytes
    malformed,     ///< violates the grammar
    ambiguous,     ///< two readers could understand it differently; refused, not guessed
    too_large,     ///< exceeds a configured limit
    unsupported,   ///< well-formed, but not something this gateway carries
    not_found,
    exhausted, ///< a bounded table or pool is full
    closed,    ///< the peer closed the stream
    timed_out,
    unreachable, ///< nobody was there to hear it
    denied,      ///< refused by policy
};

const boost::system::error_category& error_category() noexcept;
error_code make_error_code(errc e) noexcept;

} // namespace cofferdam

template <>
struct boost::system::is_error_code_enum<cofferdam::errc> : std::true_type {
};
