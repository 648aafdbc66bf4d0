#include "audit/report.hpp"

#include "core/text.hpp"

#include <array>
#include <utility>

namespace cofferdam::audit {
namespace {

constexpr std::array<std::pair<std::string_view, report_format>, 5> format_names{{{"text", report_format::text},
                                                                                  {"json", report_format::json},
                                                                                  {"markdown", report_format::markdown},
                                                                                  {"html", report_format::html},
                                                                                  {"sarif", report_format::sarif}}};

constexpr std::size_t report_lines = 1000;

} // namespace

std::optional<report_format> parse_report_format(std::string_view name) noexcept
{
    for (const auto& [known, format] : format_names) {
        if (known == name) return format;
    }
    return std::nullopt;
}

log_report read_report(std::istream& log)
{
    log_reader reader(log);
    verifier judge({});
    aggregator totals;
    for (;;) {
        const auto entry = reader.next();
        if (!entry && entry.error() == make_error_code(errc::closed)) break;
        judge.add(entry, reader);
        if (entry) totals.add(entry->entry);
    }
    return {totals.result(), judge.finish(reader)};
}

std::string render_report(const log_report& report, report_format format)
{
    switch (format) {
    case report_format::text: return report_text(report);
    case report_format::json: return report_json(report);
    case report_format::markdown: return report_markdown(report);
    case report_format::html: return report_html(report);
    case report_format::sarif: return report_sarif(report);
    }
    return {};
}

std::string report_text(const log_report& report)
{
    text_style style;
    style.max_hosts = style.max_refusals = report_lines;
    auto out = render_text(report.totals, style);
    for (const auto& problem : report.integrity.broken) {
        out += "log not whole: " + escape_line(problem.detail);
        if (problem.line != 0) out += ", line " + std::to_string(problem.line);
        out += '\n';
    }
    if (report.integrity.chained && report.integrity.broken.empty()) {
        out += "log: " + std::to_string(report.integrity.records) + " records, chain whole, ends in " +
               report.integrity.chain_head + '\n';
    }
    return out;
}

} // namespace cofferdam::audit
