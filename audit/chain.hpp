#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace cofferdam::audit {

/// The hash chain of a log. Every line ends in `,"chain":"<64 hex>"}`; the value is SHA-256 over the previous line's value
/// (its 64 hex characters) followed by this line without that member. The first line (seq 1) follows `chain_start(job)`.
/// The chain shows edits, gaps, insertions and reordering to whoever knows the last value; it is not a signature.

/// SHA-256 of "cofferdam audit " and the job's id, in lower-case hex: what the first line follows.
std::string chain_start(std::string_view job);

/// `body` is the line up to and with its closing brace, without the chain member. 64 lower-case hex characters.
std::string chain_next(std::string_view previous, std::string_view body);
/// The same in place: `chain` holds the previous line's value and gets this one's.
void advance_chain(std::string& chain, std::string_view body);

struct chained_line {
    std::string body;       ///< the line without its chain member
    std::string_view value; ///< the 64 hex characters, inside the line given
};

/// Splits a line (without its newline) into what was hashed and the value. errc::not_found: no chain member at its end.
result<chained_line> split_chain(std::string_view line);

/// Follows one log through its lines. A log may hold several chains one after the other (a file that was appended to).
class chain_checker {
public:
    enum class verdict { whole, edited, gap, out_of_order, start_missing };

    /// `seq` and `job` as the line's members say.
    verdict check(const chained_line& line, std::uint64_t seq, std::string_view job);
    const std::string& head() const noexcept { return head_; } ///< value of the last line; empty before the first
    std::uint64_t last_seq() const noexcept { return last_seq_; }

private:
    std::string head_;
    std::uint64_t last_seq_ = 0;
};

std::string_view to_string(chain_checker::verdict v) noexcept;

} // namespace cofferdam::audit
