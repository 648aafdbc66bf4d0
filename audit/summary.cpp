#include "audit/summary.hpp"

#include "audit/json.hpp"
#include "core/text.hpp"

#include <algorithm>

namespace cofferdam::audit {
namespace {

constexpr std::size_t max_subject_bytes = 512;
constexpr std::size_t max_detail_bytes = 256;

/// "host:443" and "host:80" are the host; other ports tell services apart.
void drop_usual_port(std::string& target)
{
    for (const std::string_view usual : {":443", ":80"}) {
        if (target.ends_with(usual)) target.resize(target.size() - usual.size());
    }
}

std::string without_query(std::string_view url)
{
    return std::string(url.substr(0, url.find_first_of("?#")));
}

bool is_failure(std::string_view why) noexcept
{
    for (auto r = reason::resolve_failed; r <= reason::internal_error; r = static_cast<reason>(static_cast<int>(r) + 1)) {
        if (to_string(r) == why) return r != reason::completed && r != reason::client_closed && r != reason::shutting_down;
    }
    return false;
}

std::string detail_of(const record& entry)
{
    std::string out;
    if (const auto* http = std::get_if<http_fields>(&entry.what)) out = http->detail;
    if (const auto* c = std::get_if<connection_fields>(&entry.what)) out = c->detail;
    if (out.size() > max_detail_bytes) out.resize(max_detail_bytes);
    return out;
}

/// Names longer than this share one place by their first bytes: a bound on memory, not on meaning.
constexpr std::size_t max_host_bytes = 256;

} // namespace

std::string target_of(const connection_fields& c)
{
    if (c.host.empty()) return c.destination;
    const auto colon = c.destination.rfind(':');
    return colon == std::string::npos ? c.host : c.host + c.destination.substr(colon);
}

bool would_deny(const record& entry) noexcept
{
    const auto& d = entry.decision;
    return d.action == "deny" || d.would == "deny";
}

void assign_host_of(std::string& out, const record& entry)
{
    out.clear();
    if (const auto* dns = std::get_if<dns_fields>(&entry.what)) {
        assign_lower(out, dns->qname);
    }
    else {
        if (const auto* http = std::get_if<http_fields>(&entry.what)) assign_lower(out, http->authority);
        if (const auto* c = std::get_if<connection_fields>(&entry.what)) out = target_of(*c);
        drop_usual_port(out);
    }
    if (out.size() > max_host_bytes) out.resize(max_host_bytes);
}

std::string subject_of(const record& entry)
{
    std::string out;
    if (const auto* http = std::get_if<http_fields>(&entry.what)) {
        out = http->method + ' ' + (http->url.empty() ? http->scheme + "://" + http->authority : without_query(http->url));
    }
    else if (const auto* dns = std::get_if<dns_fields>(&entry.what)) {
        out = "dns " + dns->qname;
        if (dns->qtype != "A" && dns->qtype != "AAAA") out += ' ' + dns->qtype;
    }
    else if (const auto* c = std::get_if<connection_fields>(&entry.what))
        out = c->protocol + ' ' + target_of(*c);
    if (out.size() > max_subject_bytes) out.resize(max_subject_bytes);
    return out;
}

host_totals* aggregator::totals_for(const std::string& host)
{
    if (host.empty()) return nullptr;
    const auto found = hosts_.find(host);
    if (found != hosts_.end()) return &found->second;
    if (hosts_.size() >= limits_.hosts) {
        ++sum_.hosts_left_out;
        return nullptr;
    }
    auto& fresh = hosts_[host];
    fresh.host = host;
    return &fresh;
}

void aggregator::count(const record& entry, const std::string& host)
{
    host_totals unplaced;
    auto* totals = totals_for(host);
    if (!totals) totals = &unplaced;
    std::uint64_t sent = 0, received = 0;
    if (const auto* http = std::get_if<http_fields>(&entry.what)) {
        ++sum_.requests;
        ++totals->requests;
        sent = http->bytes_sent;
        received = http->bytes_received;
    }
    else if (const auto* c = std::get_if<connection_fields>(&entry.what)) {
        ++sum_.connections;
        ++totals->connections;
        sent = c->bytes_sent;
        received = c->bytes_received;
    }
    else {
        ++sum_.queries;
        ++totals->queries;
    }
    totals->bytes_sent += sent;
    totals->bytes_received += received;
    sum_.bytes_sent += sent;
    sum_.bytes_received += received;
    if (would_deny(entry)) ++totals->denied;
}

void aggregator::add_job(const record& entry, const job_fields& job)
{
    if (sum_.job.empty()) sum_.job = entry.job;
    if (!job.mode.empty()) sum_.mode = job.mode;
    if (!job.version.empty()) sum_.version = job.version;
    if (!job.command.empty()) sum_.command = job.command;
    for (const auto& socket : job.allowed_sockets) {
        const auto& known = sum_.allowed_sockets;
        if (known.size() < limits_.failures && std::find(known.begin(), known.end(), socket) == known.end()) {
            sum_.allowed_sockets.push_back(socket);
        }
    }
    if (job.exit_code) sum_.exit_code = job.exit_code;
    if (job.event == "start") sum_.started = true;
    if (job.event == "end") sum_.ended = true;
}

void aggregator::add(const record& entry)
{
    ++sum_.records;
    if (entry.time != clock::time_point{}) {
        if (!sum_.first || entry.time < *sum_.first) sum_.first = entry.time;
        if (!sum_.last || entry.time > *sum_.last) sum_.last = entry.time;
    }
    if (const auto* job = std::get_if<job_fields>(&entry.what)) return add_job(entry, *job);
    if (entry.decision.alert) ++sum_.alerts;
    if (std::holds_alternative<alert_fields>(entry.what)) {
        ++sum_.alerts;
        return;
    }
    assign_host_of(host_, entry);
    const std::string& host = host_;
    count(entry, host);
    const bool enforced = entry.decision.action == "deny";
    if (would_deny(entry)) {
        ++(enforced ? sum_.denied : sum_.would_deny);
        return add_refusal(entry, host, enforced);
    }
    if (is_failure(entry.decision.reason)) return add_failure(host, entry.decision.reason, {});
    if (const auto* h = std::get_if<http_fields>(&entry.what); h && is_failure(h->close_reason)) {
        add_failure(host, h->close_reason, h->detail);
    }
    if (const auto* c = std::get_if<connection_fields>(&entry.what); c && is_failure(c->close_reason)) {
        add_failure(host, c->close_reason, c->detail);
    }
}

void aggregator::add_refusal(const record& entry, const std::string& host, bool enforced)
{
    const auto& d = entry.decision;
    // One line for all that one allow-list line would permit; where there is no such line, for each subject.
    const auto subject = subject_of(entry);
    const auto key = (d.hint.empty() ? subject : d.hint) + '\n' + host + '\n' + d.reason + (enforced ? "+" : "-");
    const auto found = refusal_index_.find(key);
    if (found != refusal_index_.end()) {
        ++sum_.refusals[found->second].count;
        return;
    }
    if (sum_.refusals.size() >= limits_.refusals) {
        ++sum_.refusals_left_out;
        return;
    }
    refusal_index_.emplace(key, sum_.refusals.size());
    const auto* who = entry.source.process.get();
    sum_.refusals.push_back(
        {subject, host, d.reason, d.rule, d.hint, d.stage, who ? who->exe : std::string(), detail_of(entry), enforced, 1});
}

void aggregator::add_failure(const std::string& host, const std::string& why, const std::string& detail)
{
    const auto key = host + '\n' + why;
    const auto found = failure_index_.find(key);
    if (found != failure_index_.end()) {
        ++sum_.failures[found->second].count;
        return;
    }
    if (sum_.failures.size() >= limits_.failures) return;
    failure_index_.emplace(key, sum_.failures.size());
    sum_.failures.push_back({host, why, detail, 1});
}

summary aggregator::result() const
{
    summary out = sum_;
    auto rows = hosts_;
    for (const auto& [name, totals] : hosts_) {
        if (totals.requests + totals.connections != 0) continue;
        // Only looked up: these queries belong to the host's first port, if it was then contacted on an unusual one.
        const auto port = rows.lower_bound(name + ':');
        if (port == rows.end() || !port->first.starts_with(name + ':')) continue;
        port->second.queries += totals.queries;
        port->second.denied += totals.denied;
        rows.erase(name);
    }
    for (auto& [name, totals] : rows) out.hosts.push_back(std::move(totals));
    std::stable_sort(out.hosts.begin(), out.hosts.end(), [](const host_totals& a, const host_totals& b) {
        return a.requests + a.connections + a.queries > b.requests + b.connections + b.queries;
    });
    return out;
}

} // namespace cofferdam::audit
