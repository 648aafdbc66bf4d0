#include "gateway/commands.hpp"

#include "audit/report.hpp"
#include "audit/verify.hpp"
#include "core/text.hpp"
#include "gateway/name_policy.hpp"
#include "policy/name.hpp"
#include "policy/policy.hpp"
#include "policy/url.hpp"

#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace cofferdam::gateway {
namespace {

struct usage_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

policy::authority read_authority(const std::string& text)
{
    const auto parsed = policy::parse_authority(text);
    if (!parsed) throw usage_error("expected HOST or HOST:PORT, found '" + text + "'");
    return *parsed;
}

void print_decision(const policy::decision& verdict)
{
    const auto line = [](const char* name, std::string_view value) {
        if (!value.empty()) std::printf("%-8s %s\n", name, escape_line(value).c_str());
    };
    line("decision", policy::to_string(verdict.act));
    if (verdict.act != verdict.would) line("enforce", policy::to_string(verdict.would));
    line("stage", policy::to_string(verdict.at));
    line("rule", verdict.rule);
    line("reason", std::string(to_string(verdict.why)) + ": " + std::string(describe(verdict.why)));
    if (verdict.would == policy::action::deny) line("to allow", verdict.hint);
    if (verdict.alert) line("alert", "an alert rule matches");
}

policy::decision explain_name(const policy::policy& rules, const std::string& text)
{
    const auto name = policy::canonical_name(text);
    if (!name) throw usage_error("not a host name: '" + text + "'");
    return rules.decide(policy::name_query{*name, 1});
}

policy::decision explain_connection(const policy::policy& rules, const std::string& text, policy::transport proto)
{
    const auto where = read_authority(text);
    if (!where.port) throw usage_error("expected HOST:PORT, found '" + text + "'");
    policy::connection_attempt attempt;
    attempt.proto = proto;
    attempt.app = policy::application::opaque;
    attempt.host = where.where.name;
    if (where.where.address) attempt.destination.address = *where.where.address;
    attempt.destination.port = *where.port;
    return rules.decide(attempt);
}

policy::decision explain_request(const policy::policy& rules, const std::string& method, const std::string& url)
{
    const bool secure = url.starts_with("https://");
    if (!secure && !url.starts_with("http://")) throw usage_error("expected an http:// or https:// URL, found '" + url + "'");
    const auto rest = std::string_view(url).substr(secure ? 8 : 7);
    const auto slash = rest.find_first_of("/?#");
    const auto where = read_authority(std::string(rest.substr(0, slash)));
    const auto target_text = slash == std::string_view::npos ? std::string("/") : std::string(rest.substr(slash));
    const auto target = policy::canonical_target(target_text.starts_with('/') ? target_text : '/' + target_text);
    if (!target) throw usage_error("the path can be read in two ways, or is malformed: such a request is answered with 400");
    const std::string host = where.where.to_string();
    policy::http_request request;
    request.method = method;
    request.scheme = secure ? "https" : "http";
    request.host = host;
    request.port = where.port.value_or(secure ? 443 : 80);
    request.path = target->path;
    request.query = target->query;
    static const policy::header_list none;
    request.headers = &none;
    if (where.where.address) request.destination.address = *where.where.address;
    request.destination.port = request.port;
    return rules.decide(request);
}

std::ifstream open_log(const std::string& path)
{
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error("can't read the audit log " + path);
    return in;
}

} // namespace

int check_command(const policy_request& request)
{
    config::serve_settings serve;
    const auto settings = config::load(request.policy, request.extra, &serve);
    policy::policy::compile(settings.policy);
    static_cast<void>(budget_of(settings));
    for (const auto& phase : settings.policy.phases) policy::policy::compile(settings.policy, phase.first);
    std::printf("%s: good (%zu allow entries, %zu rules, %zu phases, mode %s)\n", escape_line(request.policy).c_str(),
                settings.policy.allow.size(), settings.policy.rules.size(), settings.policy.phases.size(),
                std::string(policy::to_string(settings.policy.how)).c_str());
    return 0;
}

int explain_command(const policy_request& request, const std::vector<std::string>& question)
{
    config::serve_settings serve;
    const auto settings = config::load(request.policy, request.extra, &serve);
    const auto rules = policy::policy::compile(settings.policy, request.phase);
    const std::string kind = question.size() == 2 ? question[0] : std::string("GET");
    const std::string& subject = question.back();
    try {
        policy::decision verdict;
        if (kind == "dns")
            verdict = explain_name(*rules, subject);
        else if (kind == "tcp")
            verdict = explain_connection(*rules, subject, policy::transport::tcp);
        else if (kind == "udp")
            verdict = explain_connection(*rules, subject, policy::transport::udp);
        else
            verdict = explain_request(*rules, kind, subject);
        print_decision(verdict);
        return verdict.allowed() ? 0 : 1;
    }
    catch (const usage_error& e) {
        std::fprintf(stderr, "cofferdam explain: %s\n", escape_line(e.what()).c_str());
        return 2;
    }
}

int verify_command(const std::string& log, const std::vector<std::string>& allow)
{
    audit::verify_options options;
    if (!allow.empty()) {
        options.allow.emplace();
        for (const auto& entry : allow) {
            if (options.allow->add(entry)) continue;
            std::fprintf(stderr, "cofferdam verify: --allow: expected HOST or HOST:PORT, found '%s'\n",
                         escape_line(entry).c_str());
            return 2;
        }
    }
    auto in = open_log(log);
    const auto outcome = audit::verify(in, options);
    std::fputs(audit::render(outcome).c_str(), outcome.good() ? stdout : stderr);
    return outcome.good() ? 0 : 1;
}

int report_command(const std::string& log, const std::string& format)
{
    const auto wanted = audit::parse_report_format(format);
    if (!wanted) {
        std::fprintf(stderr, "cofferdam report: --format: expected text, markdown, html, json or sarif, found '%s'\n",
                     escape_line(format).c_str());
        return 2;
    }
    auto in = open_log(log);
    std::fputs(audit::render_report(audit::read_report(in), *wanted).c_str(), stdout);
    return 0;
}

} // namespace cofferdam::gateway
