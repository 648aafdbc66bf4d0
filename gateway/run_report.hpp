#pragma once

#include "audit/summary.hpp"
#include "audit/writer.hpp"

#include <string>

namespace cofferdam::gateway {

/// Writes the report of a run that has ended to `path`, in the format of its extension (.txt, .md, .html, .json, .sarif; text
/// for any other). Throws std::runtime_error with the path.
void write_run_report(const std::string& path, const audit::summary& totals, const audit::writer_totals& written);

} // namespace cofferdam::gateway
