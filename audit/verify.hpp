#pragma once

#include "audit/log_reader.hpp"

#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::audit {

/// The hosts that a log may show. An entry is "host" or "host:port" ("[2001:db8::1]:443" for literals); without a port it
/// stands for the usual ones, 80 and 443. Names are compared without case and without a final dot, whole, never by suffix.
class host_list {
public:
    /// False: not a host with an optional port.
    bool add(std::string_view entry);
    /// `authority` as a record has it; `default_port`: for one without a port (0: unknown, any usual one).
    bool contains(std::string_view authority, std::uint16_t default_port) const;
    bool contains_name(std::string_view name) const; ///< on any port
    bool empty() const noexcept { return entries_.empty(); }

private:
    std::set<std::pair<std::string, std::uint16_t>> entries_;
    std::set<std::string> names_;
};

struct verify_options {
    std::optional<host_list> allow; ///< absent: nothing may have been refused instead
    bool require_end = true;        ///< a log of ours must end with its job's end record
};

struct log_finding {
    std::size_t line = 0; ///< 1-based, where it was first seen; 0: the log as a whole
    std::string subject;  ///< host, or what was attempted; escape before printing
    std::string detail;   ///< reason, or what is wrong with the chain
    std::string hint;     ///< the allow-list line, if there is one
    std::uint64_t count = 1;
};

struct verify_result {
    std::vector<log_finding> outside; ///< hosts that are not on the list, sorted
    std::vector<log_finding> refused; ///< refused, or would have been in mode enforce; only without a list
    std::vector<log_finding> broken;  ///< the chain, or lines that can't be read
    std::uint64_t left_out = 0;       ///< findings beyond max_findings
    std::uint64_t records = 0;
    std::uint64_t foreign_lines = 0; ///< lines that are no records, in a log that is not ours
    bool chained = false;            ///< the log has a hash chain
    std::string chain_head;          ///< its last value

    bool good() const noexcept { return outside.empty() && refused.empty() && broken.empty() && left_out == 0; }
};

/// Judges a log line by line; memory is bounded.
///
/// With a list: every HTTP authority and every other connection's host must be on it, refused ones too: an attempt counts.
/// So does a DNS query that was refused, because its connection could never follow; a name that was only resolved does
/// not count. Without a list: nothing may have been refused or be such that mode enforce would. In both cases a chain must be
/// whole; a log without chain (Qtap's) has none to check.
class verifier {
public:
    static constexpr std::size_t max_findings = 1000;

    explicit verifier(verify_options options) : options_(std::move(options)) {}

    /// One answer of `reader.next()` other than errc::closed.
    void add(const result<log_entry>& entry, const log_reader& reader);
    verify_result finish(const log_reader& reader);

private:
    void check_line(const log_entry& entry);
    void check_record(const log_entry& entry);
    void see(const std::string& host, std::uint16_t default_port, const log_entry& entry);
    void note(std::vector<log_finding>& where, log_finding finding);

    verify_options options_;
    verify_result result_;
    std::map<std::string, log_finding> outside_;
    std::map<std::string, std::size_t> refused_index_;
    bool last_was_end_ = false;
};

verify_result verify(std::istream& log, const verify_options& options);

/// For a terminal; one line if all is well. Printable whatever the log holds.
std::string render(const verify_result& outcome);

} // namespace cofferdam::audit
