#pragma once

#include "audit/summary.hpp"
#include "audit/verify.hpp"

#include <istream>
#include <optional>
#include <string>
#include <string_view>

namespace cofferdam::audit {

enum class report_format { text, json, markdown, html, sarif };

/// The name as the command line takes it; nothing for another.
std::optional<report_format> parse_report_format(std::string_view name) noexcept;

/// One log, read once.
struct log_report {
    summary totals;
    verify_result integrity; ///< `refused` as without a list
};

/// Reads a log to its end; bounded memory. A log that is not whole is reported on as far as it can be read.
log_report read_report(std::istream& log);

/// A complete document that ends in a newline. What clients sent is escaped as the format needs.
std::string render_report(const log_report& report, report_format format);

std::string report_text(const log_report& report);
/// One object: {version, job, mode, command, records, requests, connections, queries, alerts, denied, would_deny, bytes_sent,
/// bytes_received, exit_code, first, last, hosts[], refusals[], failures[], allowed_sockets[], log{chained, whole, chain_head,
/// problems[]}}.
std::string report_json(const log_report& report);
/// For a job summary page; GitHub's dialect of tables.
std::string report_markdown(const log_report& report);
/// One self-contained page without script.
std::string report_html(const log_report& report);
/// SARIF 2.1.0: one result a refusal, for code-scanning views.
std::string report_sarif(const log_report& report);

} // namespace cofferdam::audit
