#include "audit/verify.hpp"

#include "audit/json.hpp"
#include "audit/summary.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>

namespace cofferdam::audit {
namespace {

constexpr std::uint16_t usual_ports[] = {80, 443};

struct authority_parts {
    std::string host;
    std::uint16_t port = 0; // 0: none given
};

/// "host", "host:port", "[v6]", "[v6]:port", bare v6 literal. Nothing but host characters.
std::optional<authority_parts> split_authority(std::string_view text)
{
    authority_parts out;
    const bool bracketed = text.starts_with('[');
    const auto colon = text.rfind(':');
    const bool single = colon != std::string_view::npos && text.find(':') == colon;
    const bool after_bracket = bracketed && colon != std::string_view::npos && colon > 0 && text[colon - 1] == ']';
    if ((single && !bracketed) || after_bracket) {
        const auto digits = text.substr(colon + 1);
        const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
        if (digits.empty() || ec != std::errc() || end != digits.data() + digits.size() || out.port == 0) return std::nullopt;
        text = text.substr(0, colon);
    }
    if (bracketed) {
        if (text.size() < 3 || !text.ends_with(']')) return std::nullopt;
        text = text.substr(1, text.size() - 2);
        if (text.find(':') == std::string_view::npos) return std::nullopt;
    }
    if (text.ends_with('.')) text.remove_suffix(1);
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
               c == ':';
    };
    if (text.empty() || !std::all_of(text.begin(), text.end(), good)) return std::nullopt;
    if (text.find(':') != std::string_view::npos) {
        const auto literal = ip_address::parse(text);
        if (!literal) return std::nullopt;
        out.host = literal->to_string();
        return out;
    }
    out.host = to_lower(text);
    return out;
}

} // namespace

bool host_list::add(std::string_view entry)
{
    const auto parts = split_authority(entry);
    if (!parts) return false;
    names_.insert(parts->host);
    if (parts->port != 0)
        entries_.emplace(parts->host, parts->port);
    else
        for (const auto port : usual_ports) entries_.emplace(parts->host, port);
    return true;
}

bool host_list::contains(std::string_view authority, std::uint16_t default_port) const
{
    const auto parts = split_authority(authority);
    if (!parts) return false;
    const auto port = parts->port != 0 ? parts->port : default_port;
    if (port != 0) return entries_.contains({parts->host, port});
    return std::any_of(std::begin(usual_ports), std::end(usual_ports), [&](std::uint16_t usual) {
        return entries_.contains({parts->host, usual});
    });
}

bool host_list::contains_name(std::string_view name) const
{
    const auto parts = split_authority(name);
    return parts && parts->port == 0 && names_.contains(parts->host);
}

void verifier::note(std::vector<log_finding>& where, log_finding finding)
{
    if (where.size() < max_findings)
        where.push_back(std::move(finding));
    else
        ++result_.left_out;
}

void verifier::add(const result<log_entry>& entry, const log_reader& reader)
{
    if (entry) {
        check_line(*entry);
        return;
    }
    // In a log of ours every line is a record; before its first line, and in other logs, other output is to be expected.
    const bool record_like = entry.error() != make_error_code(errc::unsupported);
    if (reader.any_ours())
        note(result_.broken, {reader.line(), {}, "not a record of this log: " + entry.error().message(), {}});
    else if (record_like)
        note(result_.broken, {reader.line(), {}, "unreadable: " + entry.error().message(), {}});
    else
        ++result_.foreign_lines;
}

void verifier::check_line(const log_entry& entry)
{
    ++result_.records;
    if (entry.ours()) {
        if (entry.seq == 1 && result_.chained && !last_was_end_ && options_.require_end) {
            note(result_.broken, {entry.line, {}, "the log before this line stops without its end record", {}});
        }
        result_.chained = true;
        if (*entry.chain != chain_checker::verdict::whole) {
            note(result_.broken, {entry.line, {}, std::string(to_string(*entry.chain)), {}});
        }
        const auto* job = std::get_if<job_fields>(&entry.entry.what);
        last_was_end_ = job && job->event == "end";
    }
    else if (result_.chained || !entry.entry.decision.action.empty()) {
        // Qtap's records hold no decision: this one is ours, and its chain value was taken out.
        note(result_.broken, {entry.line, {}, "a record without a chain value", {}});
    }
    check_record(entry);
}

void verifier::check_record(const log_entry& entry)
{
    if (!options_.allow) {
        if (!would_deny(entry.entry)) return;
        const auto& d = entry.entry.decision;
        auto subject = subject_of(entry.entry);
        const auto [place, fresh] = refused_index_.try_emplace(subject + '\n' + d.reason, result_.refused.size());
        if (!fresh) {
            ++result_.refused[place->second].count;
            return;
        }
        if (result_.refused.size() >= max_findings) refused_index_.erase(place);
        note(result_.refused, {entry.line, std::move(subject), d.reason, d.hint});
        return;
    }
    if (const auto* http = std::get_if<http_fields>(&entry.entry.what)) {
        const std::uint16_t port = http->scheme == "https" ? 443 : http->scheme == "http" ? 80 : 0;
        see(http->authority, port, entry);
    }
    else if (const auto* c = std::get_if<connection_fields>(&entry.entry.what))
        see(target_of(*c), 0, entry);
    else if (const auto* dns = std::get_if<dns_fields>(&entry.entry.what)) {
        if (would_deny(entry.entry) && !options_.allow->contains_name(dns->qname)) see("dns " + dns->qname, 0, entry);
    }
}

void verifier::see(const std::string& host, std::uint16_t default_port, const log_entry& entry)
{
    if (options_.allow->contains(host, default_port)) return;
    const auto found = outside_.find(host);
    if (found != outside_.end()) {
        ++found->second.count;
        return;
    }
    if (outside_.size() >= max_findings) {
        ++result_.left_out;
        return;
    }
    outside_.emplace(host, log_finding{entry.line, host, entry.entry.decision.action == "deny" ? "refused" : "", {}});
}

verify_result verifier::finish(const log_reader& reader)
{
    for (auto& [host, finding] : outside_) result_.outside.push_back(std::move(finding));
    outside_.clear();
    result_.chain_head = reader.chain().head();
    if (result_.chained && !last_was_end_ && options_.require_end) {
        note(result_.broken, {0, {}, "the log stops without its end record: it was cut, or the gateway was killed", {}});
    }
    if (result_.records == 0 && result_.broken.empty()) note(result_.broken, {0, {}, "the log holds no record at all", {}});
    return std::move(result_);
}

verify_result verify(std::istream& log, const verify_options& options)
{
    log_reader reader(log);
    verifier judge(options);
    for (;;) {
        const auto entry = reader.next();
        if (!entry && entry.error() == make_error_code(errc::closed)) return judge.finish(reader);
        judge.add(entry, reader);
    }
}

std::string render(const verify_result& outcome)
{
    std::string out;
    const auto list = [&out](const char* title, const std::vector<log_finding>& findings) {
        if (!findings.empty()) out += std::string(title) + '\n';
        for (const auto& f : findings) {
            out += f.subject.empty() ? "  " : "  " + escape_line(f.subject);
            if (!f.detail.empty()) out += f.subject.empty() ? escape_line(f.detail) : " [" + escape_line(f.detail) + ']';
            if (f.count > 1) out += " (" + std::to_string(f.count) + " times)";
            if (f.line != 0) out += ", line " + std::to_string(f.line);
            out += '\n';
            if (!f.hint.empty()) out += "    to allow it: " + escape_line(f.hint) + '\n';
        }
    };
    list("hosts outside the list:", outcome.outside);
    list("refused, or would be in mode enforce:", outcome.refused);
    list("the log is not whole:", outcome.broken);
    if (outcome.left_out != 0) out += "  ... and " + std::to_string(outcome.left_out) + " more\n";
    if (!outcome.good()) return out;
    out = "verified: " + std::to_string(outcome.records) + (outcome.records == 1 ? " record" : " records");
    return out + (outcome.chained ? ", chain whole, ends in " + outcome.chain_head + '\n' : ", no chain in this log\n");
}

} // namespace cofferdam::audit
