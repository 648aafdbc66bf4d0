#include "audit/json_text.hpp"
#include "audit/report.hpp"

#include <set>

namespace cofferdam::audit {
namespace {

void append_rules(json_appender& json, const summary& s)
{
    std::set<std::string> reasons;
    for (const auto& r : s.refusals) reasons.insert(r.reason);
    json.open_list("rules");
    for (const auto& why : reasons) {
        json.open();
        json.text("id", why);
        json.open("shortDescription");
        json.text("text", explain_reason(why));
        json.close();
        json.close();
    }
    json.close_list();
}

void append_result(json_appender& json, const refusal& r)
{
    json.open();
    json.text("ruleId", r.reason);
    json.text("level", r.enforced ? "error" : "warning");
    json.open("message");
    auto text = (r.enforced ? "Refused: " : "Would be refused: ") + r.subject + ": " + explain(r) + ".";
    if (!r.hint.empty()) text += " To allow it: " + r.hint;
    json.text("text", text);
    json.close();
    json.number("occurrenceCount", r.count);
    json.open("partialFingerprints");
    json.text("subject/v1", r.subject);
    json.close();
    json.close();
}

} // namespace

std::string report_sarif(const log_report& report)
{
    const auto& s = report.totals;
    std::string out;
    json_appender json(out);
    json.open();
    json.text("$schema", "https://json.schemastore.org/sarif-2.1.0.json");
    json.text("version", "2.1.0");
    json.open_list("runs");
    json.open();
    json.open("tool");
    json.open("driver");
    json.text("name", "cofferdam");
    if (!s.version.empty()) json.text("version", s.version);
    append_rules(json, s);
    json.close();
    json.close();
    json.open_list("results");
    for (const auto& r : s.refusals) append_result(json, r);
    json.close_list();
    json.close();
    json.close_list();
    json.close();
    return out += '\n';
}

} // namespace cofferdam::audit
