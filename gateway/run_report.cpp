#include "gateway/run_report.hpp"

#include "audit/report.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace cofferdam::gateway {
namespace {

audit::report_format format_of(const std::string& path)
{
    const auto extension = std::filesystem::path(path).extension().string();
    if (extension == ".md") return audit::report_format::markdown;
    if (extension == ".html") return audit::report_format::html;
    if (extension == ".json") return audit::report_format::json;
    if (extension == ".sarif") return audit::report_format::sarif;
    return audit::report_format::text;
}

} // namespace

void write_run_report(const std::string& path, const audit::summary& totals, const audit::writer_totals& written)
{
    audit::log_report report;
    report.totals = totals;
    report.integrity.records = written.records;
    report.integrity.chained = true;
    report.integrity.chain_head = written.chain_head;
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << audit::render_report(report, format_of(path));
    out.close();
    if (!out) throw std::runtime_error("report " + path + ": " + std::strerror(errno));
}

} // namespace cofferdam::gateway
