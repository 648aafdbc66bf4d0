// Whatever a log holds, reading, verifying and reporting end, do not throw, and print printable lines.
#include "audit/report.hpp"
#include "audit/verify.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size)
{
    using namespace cofferdam::audit;
    const std::string log(reinterpret_cast<const char*>(input), size);
    verify_options options;
    options.allow.emplace();
    options.allow->add("localhost");
    std::istringstream in(log);
    const auto outcome = verify(in, options);
    if (outcome.chained && outcome.good() && log.find("\"chain\":\"") == std::string::npos) std::abort();
    const auto printable = [](const std::string& text) {
        return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= 0x20 && c != 0x7F) || c < 0; });
    };
    if (!printable(render(outcome))) std::abort();
    std::istringstream again(log);
    const auto report = read_report(again);
    for (const auto format :
         {report_format::text, report_format::json, report_format::markdown, report_format::html, report_format::sarif}) {
        if (!printable(render_report(report, format))) std::abort();
    }
    return 0;
}
