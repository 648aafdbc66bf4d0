#include "core/text.hpp"
#include "gateway/commands.hpp"
#include "gateway/job_command.hpp"
#include "gateway/replay_dns.hpp"
#include "gateway/run_command.hpp"
#include "gateway/serve_command.hpp"
#include "gateway/version.hpp"
#include "policy/policy.hpp"
#include "tls/record_memory.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <malloc.h>
#include <string_view>

namespace {

using namespace cofferdam;
using gateway::policy_request;
using gateway::run_request;

constexpr const char* allow_help = "One more allow-list entry, e.g. 'https://registry.npm.example/', 'GET "
                                   "https://github.com/acme/', 'db.example:5432'. Repeatable";

void add_policy_options(CLI::App& command, std::string& policy, config::overrides& extra, std::string& phase)
{
    command.add_option("--policy", policy,
                       "Policy file (YAML); without one nothing is allowed but what --allow and --preset say");
    command.add_option("--allow", extra.allow, allow_help)->allow_extra_args(false);
    command
        .add_option("--preset", extra.presets,
                    "A ready-made list: npm, pip, cargo, go, maven, apt (read from the client's own "
                    "configuration), github. Repeatable")
        ->allow_extra_args(false);
    command.add_option("--mode", extra.mode,
                       "enforce (default), or audit: judge and record everything, refuse nothing that the policy refuses");
    command.add_option("--phase", phase, "Use this phase's allow-list instead of the main one");
}

void add_run(CLI::App& app, run_request& request)
{
    auto& run = *app.add_subcommand("run", "Run a command whose network goes through the gateway");
    run.footer("Usage:      cofferdam run [OPTIONS] -- COMMAND [ARG]...\n"
               "Exit codes: the command's own; 99 with --fail-on-deny; 125 if the gateway failed; 126/127 as shells do; 78 for a "
               "bad policy.\n"
               "Example:    cofferdam run --preset npm --allow https://github.com/acme/ -- npm ci");
    add_policy_options(run, request.policy, request.extra, request.phase);
    run.add_option("--audit", request.extra.audit, "Append audit records (JSON Lines) to this file");
    run.add_option("--report", request.report, "Write a report at the end: .txt, .md, .html, .json or .sarif");
    run.add_option("--metrics", request.metrics,
                   "Serve Prometheus metrics at this address while the command runs, e.g. 127.0.0.1:9464");
    run.add_option("--allow-socket", request.allowed_sockets,
                   "Leave this Unix socket reachable for the command (all others of the system are "
                   "masked). Repeatable")
        ->allow_extra_args(false);
    run.add_flag("--fail-on-deny", request.fail_on_deny,
                 "Exit with 99 if the command succeeded but something was refused (or would have been)");
    run.add_flag("--quiet", request.quiet, "No summary at the end");
    run.add_flag("--verbose", request.verbose, "List the sockets and directories that are hidden from the command");
}

struct command_line {
    run_request run;
    policy_request check, explain;
    std::vector<std::string> question, verify_allow;
    gateway::replay_request replay;
    std::string serve_config;
    gateway::job_command_request job;
    std::string verify_log, report_log, report_format = "text";
};

void add_others(CLI::App& app, command_line& out)
{
    auto& check = *app.add_subcommand("check", "Validate a policy file");
    check.footer("Prints 'good', or the first error as file:line:column with what was expected, and exits with 78.\n"
                 "Example: cofferdam check policy.yaml");
    check.add_option("policy", out.check.policy, "Policy file (YAML)")->required();

    auto& explain = *app.add_subcommand("explain", "Say which rule decides a request, and why");
    explain.footer("Usage: cofferdam explain [OPTIONS] (METHOD URL | dns NAME | tcp HOST:PORT | udp HOST:PORT)");
    add_policy_options(explain, out.explain.policy, out.explain.extra, out.explain.phase);
    explain.add_option("question", out.question, "e.g. GET https://github.com/acme/x, dns example.org, tcp db.example:5432")
        ->expected(1, 2)
        ->required();

    auto& verify = *app.add_subcommand("verify", "Fail if an audit log shows a host outside a list, or is not whole");
    verify.footer("Exit codes: 0 nothing found; 1 findings, listed on standard error; 2 wrong usage.\n"
                  "Example: cofferdam verify audit.jsonl --allow registry.npm.example --allow github.com");
    verify.add_option("log", out.verify_log, "Audit log (JSON Lines, ours or Qtap's)")->required();
    verify
        .add_option("--allow", out.verify_allow,
                    "A host, or host:port, that may appear; without any, nothing may have been refused")
        ->allow_extra_args(false);

    auto& report = *app.add_subcommand("report", "Summarise an audit log");
    report.footer("Example: cofferdam report audit.jsonl --format markdown >> summary.md");
    report.add_option("log", out.report_log, "Audit log (JSON Lines)")->required();
    report.add_option("--format", out.report_format, "text, markdown, html, json or sarif")->capture_default_str();
}

void add_serve(CLI::App& app, command_line& out)
{
    auto& serve =
        *app.add_subcommand("serve", "Be the gateway of others: of what routes through this machine, or shares its network");
    serve.footer("Prints 'cofferdam: ready' when it captures; ends with SIGTERM. Its ruleset stays and refuses everything then,\n"
                 "until `cofferdam nft remove`.\n"
                 "Exit codes: 0; 78 for a bad configuration; 125 if it could not start or records were lost.\n"
                 "Example: cofferdam serve --config serve.yaml");
    serve.add_option("--config", out.serve_config, "Configuration (YAML): a policy file with `intercept` and `serve`")
        ->required();

    auto& nft = *app.add_subcommand("nft", "The ruleset of `cofferdam serve`");
    nft.require_subcommand(1);
    nft.add_subcommand("remove", "Take it away: what was captured is routed as if there were no gateway");
}

void add_job_options(CLI::App& command, gateway::job_command_request& out)
{
    command.add_option("--name", out.name, "A name for lists and records");
    command.add_option("--ca", out.ca_file, "Write the job's CA certificate (PEM) to this file");
    add_policy_options(command, out.policy, out.extra, out.phase);
}

void add_job_start(CLI::App& job, gateway::job_command_request& out)
{
    auto& start = *job.add_subcommand("start", "Start a job for a source; prints its id");
    start.footer("Example: cofferdam job start --source 10.77.0.5 --policy policy.yaml --ca /run/job-5/ca.pem");
    start
        .add_option(
            "--source", out.sources,
            "An address or a range, such as 10.77.0.5 or 10.77.1.0/24. Repeatable. netns:PATH is `job attach --netns PATH`")
        ->required()
        ->allow_extra_args(false);
    add_job_options(start, out);
}

void add_job_attach(CLI::App& job, gateway::job_command_request& out)
{
    auto& attach = *job.add_subcommand("attach", "Seal the network of a container that runs, for a job; prints the job's id");
    attach.footer(
        "Whatever leaves its network namespace goes through the gateway from then on, or nowhere: after the job's end, too,\n"
        "until it is attached again. Needs root.\n"
        "Example: cofferdam job attach --container 3f1c09aa12de --policy policy.yaml --ca ca.pem");
    auto& which = *attach.add_option_group("namespace", "Which");
    which.add_option("--pid", out.attach.pid, "That of a process")->check(CLI::PositiveNumber);
    which.add_option("--netns", out.attach.path, "That of a file, such as /run/netns/build");
    which.add_option("--container", out.attach.container, "That of a container: 12 to 64 digits of its id");
    which.require_option(1);
    add_job_options(attach, out);
}

void add_job(CLI::App& app, gateway::job_command_request& out)
{
    auto& job = *app.add_subcommand("job", "Jobs of a running `cofferdam serve`");
    job.footer(
        "Exit codes: 0; 1 if the gateway refused; 78 for a bad policy; 99 with --fail-on-deny; 125 if no gateway answers.");
    job.require_subcommand(1);
    job.add_option("--control", out.control, "The gateway's control socket")->capture_default_str();
    job.add_flag("--json", out.json, "Print the gateway's answer as JSON");
    add_job_start(job, out);
    add_job_attach(job, out);

    auto& phase = *job.add_subcommand("phase", "Use a phase's allow-list from now on");
    phase.add_option("id", out.id, "The job, or default")->required();
    phase.add_option("phase", out.phase, "A phase of its policy; none: the main allow-list");

    auto& stop = *job.add_subcommand("stop", "End a job; prints its summary");
    stop.add_option("id", out.id, "The job")->required();
    stop.add_option("--report", out.report, "Write the summary to this file as Markdown");
    stop.add_option("--drain", out.drain_ms, "Milliseconds that its connections are given to end")->check(CLI::Range(600000));
    stop.add_flag("--fail-on-deny", out.fail_on_deny, "Exit with 99 if something was refused (or would have been)");

    job.add_subcommand("list", "All jobs");
    job.add_subcommand("reload", "Read the default job's policy again, as SIGHUP does");
}

int dispatch_job(const CLI::App& app, const gateway::job_command_request& request)
{
    const auto& job = *app.get_subcommand("job");
    if (job.got_subcommand("start")) return gateway::job_start_command(request);
    if (job.got_subcommand("attach")) return gateway::job_attach_command(request);
    if (job.got_subcommand("phase")) return gateway::job_phase_command(request);
    if (job.got_subcommand("stop")) return gateway::job_stop_command(request);
    if (job.got_subcommand("reload")) return gateway::job_reload_command(request);
    return gateway::job_list_command(request);
}

void add_replay(CLI::App& app, gateway::replay_request& request)
{
    auto& replay = *app.add_subcommand("replay-dns", "Try the DNS information budget on recorded queries; nothing is resolved");
    replay.footer(
        "A trace has lines time<TAB>qtype<TAB>qname[<TAB>payload_bytes]. Prints one JSON object for each query, and one\n"
        "with the sums: leaked_bytes is the payload that leaves before a domain's first refusal.\n"
        "Exit codes: 0; 78 for a line that can't be read, or a bad policy.\n"
        "Example: cofferdam replay-dns --policy policy.yaml --audit audit.jsonl");
    replay.add_option("--policy", request.policy, "Policy file (YAML); without one every name may be resolved");
    replay.add_flag("--job-per-file", request.job_per_file, "Each file is a job of its own, with fresh budgets");
    replay.add_option("--audit", request.audit, "Replay the queries of this audit log");
    replay.add_option("--model", request.model, "A folder written by dns/tools/train_model.py, instead of the shipped model");
    replay.add_option("trace", request.traces, "Traces; - is standard input");
}

int dispatch(CLI::App& app, command_line& line)
{
    if (app.got_subcommand("run")) {
        if (line.run.command.empty()) throw CLI::RequiredError("After '--', a command");
        return gateway::run_command(line.run);
    }
    if (app.got_subcommand("replay-dns")) {
        if (line.replay.traces.empty() && line.replay.audit.empty()) throw CLI::RequiredError("A trace, or --audit");
        return gateway::replay_dns_command(line.replay);
    }
    if (app.got_subcommand("serve")) return gateway::serve_command(line.serve_config);
    if (app.got_subcommand("job")) return dispatch_job(app, line.job);
    if (app.got_subcommand("nft")) return gateway::remove_ruleset_command();
    if (app.got_subcommand("check")) return gateway::check_command(line.check);
    if (app.got_subcommand("explain")) return gateway::explain_command(line.explain, line.question);
    if (app.got_subcommand("verify")) return gateway::verify_command(line.verify_log, line.verify_allow);
    return gateway::report_command(line.report_log, line.report_format);
}

int fail(const std::exception& e, int code)
{
    std::fprintf(stderr, "cofferdam: %s\n", escape_line(e.what()).c_str());
    return code;
}

} // namespace

int main(int argc, char** argv)
{
    tls::keep_record_memory();
    ::mallopt(M_MXFAST, 0); // malloc(3) would merge its fast bins whenever a large block is freed, which is all the time here
    CLI::App app(
        "Cofferdam: an egress gateway for CI jobs. What the policy does not list does not leave, and everything is recorded.",
        "cofferdam");
    app.set_version_flag("--version", std::string(gateway::version));
    app.require_subcommand(1);
    command_line line;
    add_run(app, line.run);
    add_others(app, line);
    add_serve(app, line);
    add_job(app, line.job);
    add_replay(app, line.replay);
    // What follows the first "--" is the command's own, options and all.
    const auto end = std::find(argv + 1, argv + argc, std::string_view("--"));
    if (end != argv + argc) line.run.command.assign(end + 1, argv + argc);
    try {
        app.parse(static_cast<int>(end - argv), argv);
        return dispatch(app, line);
    }
    catch (const CLI::ParseError& e) {
        const int code = app.exit(e);
        return code == 0 ? 0 : 2;
    }
    catch (const config::config_error& e) {
        return fail(e, gateway::exit_config);
    }
    catch (const policy::policy_error& e) {
        return fail(e, gateway::exit_config);
    }
    catch (const std::exception& e) {
        return fail(e, gateway::exit_gateway_failed);
    }
}
