#include "audit/report.hpp"
#include "core/text.hpp"

namespace cofferdam::audit {
namespace {

constexpr std::size_t max_rows = 1000;

std::string html(std::string_view untrusted)
{
    return escape_html(escape_line(untrusted));
}

void append_refusals(std::string& out, const summary& s)
{
    if (s.refusals.empty()) return;
    out += "<h2>Refused</h2>\n<table><tr><th>attempt<th>times<th>why<th>to allow it</tr>\n";
    std::size_t rows = 0;
    for (const auto& r : s.refusals) {
        if (rows++ == max_rows) break;
        out += "<tr><td><code>" + html(r.subject) + "</code><td class=n>" + std::to_string(r.count) + "<td>" + html(explain(r)) +
               (r.enforced ? "" : " (mode audit: let through)") + "<td><code>" + html(r.hint) + "</code></tr>\n";
    }
    out += "</table>\n";
}

void append_hosts(std::string& out, const summary& s)
{
    if (s.hosts.empty()) return;
    out += "<h2>Hosts</h2>\n<table><tr><th>host<th>requests<th>sent<th>received<th>refused</tr>\n";
    std::size_t rows = 0;
    for (const auto& h : s.hosts) {
        if (rows++ == max_rows) break;
        out += "<tr><td><code>" + html(h.host) + "</code><td class=n>" + std::to_string(h.requests + h.connections) +
               "<td class=n>" + human_bytes(h.bytes_sent) + "<td class=n>" + human_bytes(h.bytes_received) + "<td class=n>" +
               std::to_string(h.denied) + "</tr>\n";
    }
    out += "</table>\n";
}

} // namespace

std::string report_html(const log_report& report)
{
    const auto& s = report.totals;
    std::string out = "<!doctype html>\n<html lang=en><meta charset=utf-8>\n"
                      "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
                      "<title>Cofferdam report</title>\n<style>body{font:15px sans-serif;margin:2em;max-width:75em}"
                      "table{border-collapse:collapse}td,th{padding:.3em .8em;border-bottom:1px solid #ccc;text-align:left}"
                      ".n{text-align:right}</style>\n<h1>Network of job " +
                      html(s.job) + "</h1>\n";
    out += "<p>" + std::to_string(s.requests) + " requests, " + std::to_string(s.connections) + " other connections; " +
           human_bytes(s.bytes_received) + " received, " + human_bytes(s.bytes_sent) + " sent; " + std::to_string(s.denied) +
           " refused, " + std::to_string(s.would_deny) + " would be refused in mode enforce.</p>\n";
    append_refusals(out, s);
    append_hosts(out, s);
    for (const auto& socket : s.allowed_sockets) out += "<p>Socket open to the job: <code>" + html(socket) + "</code></p>\n";
    for (const auto& problem : report.integrity.broken) {
        out += "<p><strong>The log is not whole</strong>: " + html(problem.detail) + ", line " + std::to_string(problem.line) +
               "</p>\n";
    }
    return out + "</html>\n";
}

} // namespace cofferdam::audit
