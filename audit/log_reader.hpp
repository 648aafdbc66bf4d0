#pragma once

#include "audit/chain.hpp"
#include "audit/record.hpp"

#include <cstddef>
#include <istream>
#include <optional>
#include <string>

namespace cofferdam::audit {

/// One line of a log.
struct log_entry {
    std::size_t line = 0;                        ///< 1-based
    std::uint64_t seq = 0;                       ///< 0: not a line of ours
    std::optional<chain_checker::verdict> chain; ///< absent where the line carries no chain
    record entry;                                ///< without bodies

    bool ours() const noexcept { return seq != 0; }
};

/// Reads a log of JSON Lines one entry at a time; memory is bounded by the longest line allowed. Lines of Qtap (no `seq`,
/// no `chain`) are read too, also where a transaction is spread over several lines.
class log_reader {
public:
    static constexpr std::size_t default_max_line = 4U << 20;

    /// `in` must outlive the reader.
    explicit log_reader(std::istream& in, std::size_t max_line = default_max_line) : in_(in), max_line_(max_line) {}

    /// The next entry; blank lines are passed over. Errors, about the line at line():
    /// errc::closed: end of the log. errc::unsupported: not JSON, or not a record (another program's output).
    /// errc::malformed: starts like a record and is none. errc::too_large: longer than max_line. After any but `closed`
    /// the next call goes on with the line that follows.
    result<log_entry> next();

    /// The line of the last answer, 1-based.
    std::size_t line() const noexcept { return line_; }
    /// True once a line of ours was read.
    bool any_ours() const noexcept { return any_ours_; }
    const chain_checker& chain() const noexcept { return checker_; }

private:
    result<std::string> read_line();
    result<log_entry> convert(const std::string& text);

    std::istream& in_;
    std::size_t max_line_;
    std::size_t next_line_ = 1;
    std::size_t line_ = 0;
    bool any_ours_ = false;
    chain_checker checker_;
};

} // namespace cofferdam::audit
