#pragma once

#include "audit/record.hpp"
#include "audit/settings.hpp"

#include <string>
#include <string_view>

namespace cofferdam::audit {

/// Smallest value of settings.max_record_bytes that is honoured: every record fits once its strings are cut.
inline constexpr std::size_t min_record_bytes = 32U << 10;

/// "http", "dns", "connection", "alert" or "job".
std::string_view type_of(const record& entry) noexcept;

/// One record as one line of printable ASCII, without a newline: see json_text.hpp for what becomes of hostile bytes.
/// The order of the members is fixed and "chain" is the last. Redaction, cutting and base64 happen here. An http record
/// holds the member "authority" exactly once, no other record holds it, and nothing else in a line looks like it.
/// `previous`: the chain value of the line before, or chain_start(job) for the first.
std::string to_json_line(const record& entry, std::uint64_t seq, std::string_view previous, const settings& how);

/// Encodes the records of one log: gives seq and chain.
class line_encoder {
public:
    /// `how` is copied.
    explicit line_encoder(settings how) : how_(std::move(how)) {}

    /// Appends the line and its newline.
    void append(const record& entry, std::string& out);
    std::uint64_t seq() const noexcept { return seq_; }        ///< of the last record; 0 before the first
    const std::string& head() const noexcept { return head_; } ///< chain value of the last record

private:
    settings how_;
    std::uint64_t seq_ = 0;
    std::string head_;
    std::string host_; ///< memory
};

} // namespace cofferdam::audit
