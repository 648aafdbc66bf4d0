#include "audit/report.hpp"
#include "core/text.hpp"

#include <algorithm>

namespace cofferdam::audit {
namespace {

constexpr std::size_t max_rows = 100;

/// Inline code that nothing inside can end: no backticks, no table bars.
std::string code(std::string_view untrusted)
{
    auto text = escape_line(untrusted);
    std::string out = "`";
    for (const char c : text) {
        if (c == '`')
            out += "\\x60";
        else if (c == '|')
            out += "\\x7c";
        else
            out += c;
    }
    return out += "`";
}

void append_refusals(std::string& out, const summary& s, bool enforced)
{
    std::size_t rows = 0;
    for (const auto& r : s.refusals) {
        if (r.enforced != enforced || rows == max_rows) continue;
        if (rows++ == 0) {
            out += enforced ? "\n#### Refused\n\n" : "\n#### Would be refused in mode enforce\n\n";
            out += "| attempt | times | why | to allow it |\n|---|---:|---|---|\n";
        }
        const auto why = explain_reason(r.reason);
        out += "| " + code(r.subject) + " | " + std::to_string(r.count) + " | " + (why == r.reason ? code(why) : why) +
               (r.detail.empty() ? "" : ": " + code(r.detail)) + " | " + (r.hint.empty() ? "" : code(r.hint)) + " |\n";
    }
}

} // namespace

std::string report_markdown(const log_report& report)
{
    const auto& s = report.totals;
    std::string out = "### Cofferdam: network of this job\n\n";
    if (s.quiet())
        out += "No network was used.\n";
    else {
        out += std::to_string(s.requests) + " requests and " + std::to_string(s.connections) + " other connections to " +
               std::to_string(s.hosts.size()) + " hosts; " + human_bytes(s.bytes_received) + " received, " +
               human_bytes(s.bytes_sent) + " sent; **" + std::to_string(s.denied) + " refused**";
        if (s.would_deny != 0) out += ", **" + std::to_string(s.would_deny) + " would be refused**";
        out += ".\n";
        append_refusals(out, s, true);
        append_refusals(out, s, false);
        out += "\n#### Hosts\n\n| host | requests | sent | received | refused |\n|---|---:|---:|---:|---:|\n";
        for (std::size_t i = 0; i < std::min(s.hosts.size(), max_rows); ++i) {
            const auto& h = s.hosts[i];
            out += "| " + code(h.host) + " | " + std::to_string(h.requests + h.connections) + " | " + human_bytes(h.bytes_sent) +
                   " | " + human_bytes(h.bytes_received) + " | " + std::to_string(h.denied) + " |\n";
        }
    }
    for (const auto& socket : s.allowed_sockets) out += "\nSocket open to the job: " + code(socket) + "\n";
    for (const auto& problem : report.integrity.broken) {
        out += "\n**The log is not whole**: " + code(problem.detail) + " (line " + std::to_string(problem.line) + ")\n";
    }
    return out;
}

} // namespace cofferdam::audit
