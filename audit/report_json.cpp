#include "audit/json_text.hpp"
#include "audit/report.hpp"

namespace cofferdam::audit {
namespace {

void append_hosts(json_appender& json, const std::vector<host_totals>& hosts)
{
    json.open_list("hosts");
    for (const auto& h : hosts) {
        json.open();
        json.text("host", h.host);
        json.number("requests", h.requests);
        json.number("connections", h.connections);
        json.number("queries", h.queries);
        json.number("denied", h.denied);
        json.number("bytes_sent", h.bytes_sent);
        json.number("bytes_received", h.bytes_received);
        json.close();
    }
    json.close_list();
}

void append_refusals(json_appender& json, const std::vector<refusal>& refusals)
{
    json.open_list("refusals");
    for (const auto& r : refusals) {
        json.open();
        json.text("subject", r.subject);
        json.text("host", r.host);
        json.text("reason", r.reason);
        json.text("explanation", explain_reason(r.reason));
        json.text("detail", r.detail);
        json.text("rule", r.rule);
        json.text("hint", r.hint);
        json.text("stage", r.stage);
        json.text("program", r.program);
        json.boolean("enforced", r.enforced);
        json.number("count", r.count);
        json.close();
    }
    json.close_list();
}

void append_failures(json_appender& json, const std::vector<failure>& failures)
{
    json.open_list("failures");
    for (const auto& f : failures) {
        json.open();
        json.text("host", f.host);
        json.text("reason", f.reason);
        json.text("detail", f.detail);
        json.number("count", f.count);
        json.close();
    }
    json.close_list();
}

void append_log(json_appender& json, const verify_result& integrity)
{
    json.open("log");
    json.number("records", integrity.records);
    json.boolean("chained", integrity.chained);
    json.boolean("whole", integrity.chained && integrity.broken.empty());
    json.text("chain_head", integrity.chain_head);
    json.open_list("problems");
    for (const auto& problem : integrity.broken) {
        json.open();
        json.number("line", problem.line);
        json.text("problem", problem.detail);
        json.close();
    }
    json.close_list();
    json.close();
}

void append_list(json_appender& json, std::string_view key, const std::vector<std::string>& items)
{
    json.open_list(key);
    for (const auto& item : items) json.item(item);
    json.close_list();
}

void append_instant(json_appender& json, std::string_view key, const std::optional<clock::time_point>& when)
{
    if (!when) return;
    std::string text;
    append_time(text, *when);
    json.text(key, text);
}

} // namespace

std::string report_json(const log_report& report)
{
    const auto& s = report.totals;
    std::string out;
    json_appender json(out);
    json.open();
    json.text("version", s.version);
    json.text("job", s.job);
    json.text("mode", s.mode);
    append_list(json, "command", s.command);
    if (s.exit_code) json.signed_number("exit_code", *s.exit_code);
    append_instant(json, "first", s.first);
    append_instant(json, "last", s.last);
    json.number("records", s.records);
    json.number("requests", s.requests);
    json.number("connections", s.connections);
    json.number("queries", s.queries);
    json.number("alerts", s.alerts);
    json.number("denied", s.denied);
    json.number("would_deny", s.would_deny);
    json.number("bytes_sent", s.bytes_sent);
    json.number("bytes_received", s.bytes_received);
    append_hosts(json, s.hosts);
    append_refusals(json, s.refusals);
    append_failures(json, s.failures);
    append_list(json, "allowed_sockets", s.allowed_sockets);
    json.number("hosts_left_out", s.hosts_left_out);
    json.number("refusals_left_out", s.refusals_left_out);
    append_log(json, report.integrity);
    json.close();
    return out += '\n';
}

} // namespace cofferdam::audit
