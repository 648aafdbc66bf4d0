#include "gateway/control_api.hpp"

#include "audit/report.hpp"
#include "config/document.hpp"
#include "core/text.hpp"
#include "nft/control_group.hpp"
#include "policy/policy.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <ctime>

namespace cofferdam::gateway {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds default_drain{3000};
constexpr std::chrono::milliseconds longest_drain{600'000};

[[noreturn]] void bad_request(const std::string& message)
{
    throw job_error(job_error::kind::bad_request, message);
}

control_reply reply_json(unsigned status, const json::value& body)
{
    return {status, "application/json", json::serialize(body) + '\n'};
}

control_reply reply_error(unsigned status, const std::string& message)
{
    return reply_json(status, json::object{{"error", escape_line(message)}});
}

unsigned status_of(job_error::kind why)
{
    switch (why) {
    case job_error::kind::no_such_job: return 404;
    case job_error::kind::conflict: return 409;
    case job_error::kind::too_many: return 429;
    case job_error::kind::bad_request: break;
    }
    return 400;
}

/// The members of an object, each known and of its kind.
class members {
public:
    explicit members(const std::string& body)
    {
        boost::system::error_code ec;
        auto parsed = json::parse(body.empty() ? "{}" : body, ec);
        if (ec || !parsed.is_object()) bad_request("expected a JSON object");
        object_ = std::move(parsed.as_object());
    }
    std::string text(std::string_view name)
    {
        const auto value = take(name);
        if (value.is_null()) return {};
        if (!value.is_string()) bad_request(std::string(name) + ": expected a string");
        return std::string(value.as_string());
    }
    bool flag(std::string_view name)
    {
        const auto value = take(name);
        if (value.is_null()) return false;
        if (!value.is_bool()) bad_request(std::string(name) + ": expected true or false");
        return value.as_bool();
    }
    json::array list(std::string_view name)
    {
        const auto value = take(name);
        if (value.is_null()) return {};
        if (!value.is_array()) bad_request(std::string(name) + ": expected a list");
        return value.as_array();
    }
    /// What is left is nothing that is known.
    void end() const
    {
        if (!object_.empty()) bad_request("unknown member '" + escape_line(std::string(object_.begin()->key())) + "'");
    }

private:
    json::value take(std::string_view name)
    {
        const auto found = object_.find(name);
        if (found == object_.end()) return nullptr;
        json::value out = std::move(found->value());
        object_.erase(found);
        return out;
    }

    json::object object_;
};

constexpr std::string_view group_source = "cgroup:";

std::string read_group(std::string_view text)
{
    const auto path = nft::parse_control_group_path(text.substr(group_source.size()));
    if (!path)
        bad_request(
            "sources: expected the path of a control group below its mount, such as cgroup:/ci.slice/job-7.scope, found '" +
            escape_line(text) + "'");
    return *path;
}

ip_prefix read_range(std::string_view text)
{
    const auto parsed = ip_prefix::parse(text);
    if (!parsed)
        bad_request("sources: expected an address, a range or a control group, such as 10.0.0.7, 10.0.1.0/24 or "
                    "cgroup:/ci.slice/job-7.scope");
    // Clients are known by their IPv4 address, by whatever socket they come.
    constexpr unsigned mapped_bits = 96;
    const auto plain = parsed->network().unmapped();
    if (plain == parsed->network() || parsed->length() < mapped_bits) return *parsed;
    return {plain, parsed->length() - mapped_bits};
}

template <class T>
void add_once(std::vector<T>& out, T value)
{
    if (std::find(out.begin(), out.end(), value) == out.end()) out.push_back(std::move(value));
}

void read_source(const json::value& value, job_request& out)
{
    const std::string_view text = value.is_string() ? std::string_view(value.as_string()) : std::string_view();
    if (text.starts_with(group_source))
        add_once(out.control_groups, read_group(text));
    else
        add_once(out.sources, read_range(text));
}

policy::entry_source read_entry(const json::value& value)
{
    policy::entry_source out;
    out.where = {"allow", 0, 0};
    if (value.is_string()) {
        out.text = value.as_string();
        return out;
    }
    const auto* object = value.if_object();
    const auto* text = object ? object->if_contains("entry") : nullptr;
    if (!text || !text->is_string()) bad_request("allow: expected an entry, or an object with one");
    out.text = text->as_string();
    const auto* bits = object->if_contains("dns_bits");
    if (!bits) return out;
    if (!bits->is_int64() || bits->as_int64() < 0 || bits->as_int64() > 1'000'000) bad_request("dns_bits: expected 0 to 1000000");
    out.dns_bits = static_cast<std::uint32_t>(bits->as_int64());
    return out;
}

job_request read_request(members& in)
{
    job_request out;
    out.name = in.text("name");
    for (const auto& each : in.list("sources")) read_source(each, out);
    out.policy = in.text("policy");
    for (const auto& each : in.list("allow")) out.allow.push_back(read_entry(each));
    out.presets_expanded = in.flag("presets_expanded");
    out.mode = in.text("mode");
    out.phase = in.text("phase");
    in.end();
    return out;
}

job_request read_job(const std::string& body)
{
    members in(body);
    return read_request(in);
}

/// A job whose source is the network namespace of the descriptors.
job_request read_attachment(control_request& request)
{
    constexpr std::size_t max_name = 256;
    members in(request.body);
    const auto name = in.text("namespace");
    auto out = read_request(in);
    if (name.empty() || name.size() > max_name) bad_request("namespace: expected what it is called, in at most 256 characters");
    if (!out.sources.empty() || !out.control_groups.empty()) bad_request("sources: a network namespace is a source itself");
    auto sockets = nft::assemble_attached(std::move(request.descriptors));
    if (!sockets) bad_request("expected the sockets that `cofferdam job attach` makes: " + sockets.error().message());
    out.attached = std::make_shared<attachment>(std::move(*sockets), escape_line(name));
    return out;
}

std::string time_text(std::chrono::system_clock::time_point when)
{
    const auto seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

json::object describe(const job_view& job)
{
    json::array sources;
    for (const auto& each : job.sources) sources.emplace_back(each.to_string());
    if (!job.attached.empty()) sources.emplace_back(job.attached);
    for (const auto& each : job.control_groups) sources.emplace_back(std::string(group_source) + each);
    return {{"id", job.id},
            {"name", job.name},
            {"sources", std::move(sources)},
            {"phase", job.phase},
            {"started", time_text(job.started)},
            {"state", job.stopping ? "stopping" : "running"},
            {"audit", job.audit},
            {"ca_dir", job.ca_dir},
            {"records", job.totals.records},
            {"requests", job.totals.requests},
            {"connections", job.totals.connections},
            {"queries", job.totals.queries},
            {"denied", job.totals.denied},
            {"would_deny", job.totals.would_deny}};
}

json::object describe(const job_result& result)
{
    auto out = describe(result.job);
    out["state"] = "ended";
    out["records"] = result.written.records;
    out["lost"] = result.written.lost;
    out["chain_head"] = result.written.chain_head;
    audit::log_report report;
    report.totals = result.job.totals;
    report.integrity.records = result.written.records;
    report.integrity.chained = true;
    report.integrity.chain_head = result.written.chain_head;
    out["text"] = audit::report_text(report);
    out["markdown"] = audit::report_markdown(report);
    return out;
}

std::chrono::milliseconds read_drain(const std::string& query)
{
    if (query.empty()) return default_drain;
    constexpr std::string_view key = "drain_ms=";
    std::int64_t value = -1;
    const char* end = query.data() + query.size();
    if (query.starts_with(key)) {
        const auto [stop, ec] = std::from_chars(query.data() + key.size(), end, value);
        if (ec == std::errc() && stop == end && value >= 0 && value <= longest_drain.count())
            return std::chrono::milliseconds(value);
    }
    bad_request("expected drain_ms=0 to 600000");
}

control_reply reply_failure(const std::exception_ptr& failed)
{
    try {
        std::rethrow_exception(failed);
    }
    catch (const job_error& e) {
        return reply_error(status_of(e.why), e.what());
    }
    catch (const config::config_error& e) {
        return reply_error(422, e.what());
    }
    catch (const policy::policy_error& e) {
        return reply_error(422, e.what());
    }
    catch (const std::exception& e) {
        return reply_error(500, e.what());
    }
}

struct job_path {
    std::string id, part, query;
};

/// "/v1/jobs/ID", "/v1/jobs/ID/PART".
std::optional<job_path> read_path(std::string_view target)
{
    constexpr std::string_view root = "/v1/jobs/";
    if (!target.starts_with(root)) return std::nullopt;
    target.remove_prefix(root.size());
    job_path out;
    const auto mark = target.find('?');
    if (mark != target.npos) out.query = target.substr(mark + 1);
    target = target.substr(0, mark);
    const auto slash = target.find('/');
    out.id = target.substr(0, slash);
    if (slash != target.npos) out.part = target.substr(slash + 1);
    return out;
}

} // namespace

void control_api::handle(control_request request, std::function<void(control_reply)> answer)
{
    try {
        dispatch(request, answer);
    }
    catch (...) {
        answer(reply_failure(std::current_exception()));
    }
}

void control_api::dispatch(control_request& request, const std::function<void(control_reply)>& answer)
{
    const auto& method = request.method;
    if (method != "GET" && jobs_.closing()) return answer(reply_error(409, "the gateway ends"));
    if (request.target == "/v1/jobs") {
        if (method == "GET") return answer(list());
        if (method == "POST") return start(read_job(request.body), answer);
        return answer(reply_error(405, "expected GET or POST"));
    }
    if (request.target == "/v1/attach") {
        if (method != "POST") return answer(reply_error(405, "expected POST"));
        return start(read_attachment(request), answer);
    }
    if (request.target == "/v1/reload") {
        if (method != "POST") return answer(reply_error(405, "expected POST"));
        reload_();
        return answer(reply_json(200, json::object{{"reloaded", true}}));
    }
    const auto path = read_path(request.target);
    if (path && path->part.empty() && method == "GET") return answer(reply_json(200, describe(jobs_.view(path->id))));
    if (path && path->part.empty() && method == "DELETE") {
        auto done = [answer](const job_result& result) { answer(reply_json(200, describe(result))); };
        return jobs_.stop(path->id, read_drain(path->query), std::move(done));
    }
    if (path && path->part == "ca" && method == "GET") return answer({200, "application/x-pem-file", jobs_.view(path->id).ca});
    if (path && path->part == "phase" && method == "PUT") return answer(set_phase(path->id, request.body));
    if (path && path->part == "report" && method == "GET") return answer(report(path->id, path->query));
    answer(reply_error(404, "there is no such thing"));
}

void control_api::start(job_request request, std::function<void(control_reply)> answer)
{
    jobs_.start(std::move(request), [this, answer = std::move(answer)](const std::exception_ptr& failed, const std::string& id) {
        if (failed) return answer(reply_failure(failed));
        control_reply reply;
        try {
            const auto job = jobs_.view(id);
            auto out = describe(job);
            out["ca"] = job.ca;
            reply = reply_json(201, out);
        }
        catch (...) {
            reply = reply_failure(std::current_exception());
        }
        answer(reply);
    });
}

control_reply control_api::set_phase(const std::string& id, const std::string& body)
{
    members in(body);
    auto phase = in.text("phase");
    in.end();
    jobs_.set_phase(id, std::move(phase));
    return reply_json(200, describe(jobs_.view(id)));
}

control_reply control_api::report(const std::string& id, const std::string& query) const
{
    constexpr std::string_view key = "format=";
    const auto format = query.starts_with(key) ? audit::parse_report_format(std::string_view(query).substr(key.size()))
                        : query.empty()        ? std::optional(audit::report_format::text)
                                               : std::nullopt;
    if (!format) bad_request("expected format=text, markdown, html, json or sarif");
    audit::log_report report;
    report.totals = jobs_.view(id).totals;
    report.integrity.records = report.totals.records;
    return {200, "text/plain; charset=utf-8", audit::render_report(report, *format)};
}

control_reply control_api::list() const
{
    json::array out;
    for (const auto& each : jobs_.list()) out.push_back(describe(each));
    return reply_json(200, json::object{{"jobs", std::move(out)}});
}

bool may_control(const control_peer& peer, std::optional<std::uint32_t> own_uid, std::optional<std::uint32_t> group)
{
    if (peer.uid == 0 || peer.uid == own_uid) return true;
    if (!group) return false;
    return peer.gid == *group || std::find(peer.groups.begin(), peer.groups.end(), *group) != peer.groups.end();
}

} // namespace cofferdam::gateway
