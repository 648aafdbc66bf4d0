#include "audit/json.hpp"

#include "audit/chain.hpp"
#include "audit/json_text.hpp"
#include "audit/redact.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace cofferdam::audit {
namespace {

/// What one attempt at a record may spend. The first attempt is generous; if the line comes out longer than
/// max_record_bytes, the next is stricter, and the last always fits min_record_bytes.
struct budget {
    std::size_t string_bytes;
    std::size_t list_items;
    std::size_t body_bytes;
};

constexpr std::size_t chain_bytes = 80; // room for the chain member
constexpr std::size_t max_list_items = 256;

bool asks_for_address(std::string_view qtype) noexcept
{
    return qtype == "A" || qtype == "AAAA" || qtype == "HTTPS" || qtype == "SVCB";
}

/// Without user, port and brackets.
std::string_view host_of(std::string_view authority) noexcept
{
    const auto at = authority.rfind('@');
    if (at != std::string_view::npos) authority.remove_prefix(at + 1);
    if (authority.starts_with('[')) {
        const auto end = authority.find(']');
        if (end != std::string_view::npos) return authority.substr(1, end - 1);
    }
    const auto colon = authority.rfind(':');
    const bool literal_v6 = colon != std::string_view::npos && authority.find(':') != colon;
    if (colon != std::string_view::npos && !literal_v6) authority = authority.substr(0, colon);
    return authority;
}

class record_encoder {
public:
    /// `memory`: for a host's name; its content means nothing.
    record_encoder(std::string& out, const settings& how, const budget& spend, std::string& memory)
        : json_(out, spend.string_bytes), how_(how), spend_(spend), memory_(memory)
    {
    }

    void encode(const record& entry, std::uint64_t seq)
    {
        json_.open();
        json_.text("type", type_of(entry));
        json_.number("seq", seq);
        time("time", entry.time);
        json_.text("job", entry.job);
        source(entry.source);
        if (!entry.decision.action.empty()) decision(entry.decision);
        std::visit([&](const auto& what) { fields(entry, what); }, entry.what);
        if (cut_ || json_.cut()) json_.boolean("cut", true);
        json_.close();
    }

private:
    void time(std::string_view key, clock::time_point when)
    {
        json_.text(key, {});
        auto& out = json_.raw();
        out.pop_back();
        append_time(out, when);
        out += '"';
    }

    void source(const flow_source& from)
    {
        json_.open("source");
        if (from.address.port != 0) json_.text("address", from.address.to_string());
        if (from.process) {
            json_.open("process");
            json_.signed_number("pid", from.process->pid);
            json_.text("exe", from.process->exe);
            arguments("cmdline", from.process->cmdline);
            json_.number("uid", from.process->uid);
            json_.close();
        }
        json_.close();
    }

    void decision(const decision_fields& d)
    {
        json_.open("decision");
        json_.text("action", d.action);
        json_.text("would", d.would.empty() ? d.action : d.would);
        json_.text("rule", d.rule);
        json_.text("reason", d.reason);
        json_.text("stage", d.stage);
        json_.text("hint", d.hint);
        if (d.alert) json_.boolean("alert", true);
        json_.close();
    }

    void arguments(std::string_view key, const std::vector<std::string>& words)
    {
        json_.open_list(key);
        for (std::size_t i = 0; i < within_bound(words.size()); ++i) {
            json_.item(redact_argument(words[i], i == 0 ? std::string_view{} : words[i - 1], how_));
        }
        json_.close_list();
    }

    void list(std::string_view key, const std::vector<std::string>& words)
    {
        json_.open_list(key);
        for (std::size_t i = 0; i < within_bound(words.size()); ++i) json_.item(words[i]);
        json_.close_list();
    }

    std::size_t within_bound(std::size_t count)
    {
        if (count > spend_.list_items) cut_ = true;
        return std::min(count, spend_.list_items);
    }

    /// One member a name; repeated names joined as RFC 9110, 5.3 does.
    void headers(const header_fields& all)
    {
        if (all.empty()) return;
        json_.open("headers");
        const auto count = within_bound(all.size());
        for (std::size_t i = 0; i < count; ++i) {
            const auto same = [&](std::size_t j) { return equals_ignoring_case(all[i].first, all[j].first); };
            bool seen = false;
            for (std::size_t j = 0; j < i && !seen; ++j) seen = same(j);
            if (seen) continue;
            if (is_redacted_header(all[i].first, how_)) {
                json_.foreign(all[i].first, redacted_mark);
                continue;
            }
            std::string value = all[i].second;
            for (std::size_t j = i + 1; j < count; ++j) {
                if (same(j)) value.append(", ").append(all[j].second);
            }
            json_.foreign(all[i].first, redact_userinfo(value));
        }
        json_.close();
    }

    void body(std::string_view raw)
    {
        if (raw.empty()) return;
        const auto kept = raw.substr(0, std::min(spend_.body_bytes, how_.max_body));
        if (kept.size() < raw.size()) body_cut_ = true;
        json_.text("body", {});
        auto& out = json_.raw();
        out.pop_back();
        append_base64(out, kept);
        out += '"';
    }

    void fields(const record& entry, const http_fields& http)
    {
        const bool with_headers = http.capture == "headers" || http.capture == "full";
        const bool with_bodies = http.capture == "full";
        const bool bare = http.capture == "none";
        const auto authority = authority_of(http);
        assign_lower(memory_, host_of(authority));
        const std::string& host = memory_;
        metadata(entry, http, host);
        request(http, authority, bare, with_headers, with_bodies);
        response(http, with_headers, with_bodies);
        time("transaction_time", entry.time);
        duration(entry);
        json_.text("direction", direction(host));
        json_.text_if("close_reason", http.close_reason);
        json_.text_if("detail", redacted(http.detail, redact_userinfo));
        if (http.body_truncated || body_cut_) json_.boolean("body_truncated", true);
    }

    /// As sent; for a request that named none, that of its URL, so that no host goes unmentioned.
    static std::string_view authority_of(const http_fields& http) noexcept
    {
        if (!http.authority.empty()) return http.authority;
        const std::string_view url = http.url;
        const auto scheme = url.find("://");
        if (scheme == std::string_view::npos) return {};
        const auto rest = url.substr(scheme + 3);
        return rest.substr(0, rest.find_first_of("/?#"));
    }

    void metadata(const record& entry, const http_fields& http, std::string_view host)
    {
        const auto* process = entry.source.process.get();
        json_.open("metadata");
        json_.text("process_id", process ? std::to_string(process->pid) : std::string());
        json_.text("process_exe", process ? std::string_view(process->exe) : std::string_view());
        json_.number("bytes_sent", http.bytes_sent);
        json_.number("bytes_received", http.bytes_received);
        json_.text_if("request_id", http.request_id);
        json_.text("connection_id", http.connection_id);
        json_.text("endpoint_id", host);
        json_.open_list("tags");
        json_.close_list();
        json_.close();
    }

    void request(const http_fields& http, std::string_view authority, bool bare, bool with_headers, bool with_bodies)
    {
        json_.open("request");
        json_.text("method", http.method);
        if (!bare) json_.text("url", redacted(http.url, redact_userinfo));
        json_.text("scheme", http.scheme);
        if (!bare) json_.text("path", http.path);
        json_.text("authority", redacted(authority, redact_authority));
        json_.text("protocol", http.protocol);
        json_.text_if("request_id", http.request_id);
        if (!bare) {
            json_.text_if("user_agent", http.user_agent);
            json_.text_if("content_type", http.request_content_type);
        }
        if (with_headers) headers(http.request_headers);
        if (with_bodies) body(http.request_body);
        json_.close();
    }

    void response(const http_fields& http, bool with_headers, bool with_bodies)
    {
        json_.open("response");
        if (http.status) json_.signed_number("status", *http.status);
        if (http.upstream_status) json_.signed_number("upstream_status", *http.upstream_status);
        json_.text_if("content_type", http.response_content_type);
        if (with_headers) headers(http.response_headers);
        if (with_bodies) body(http.response_body);
        json_.close();
    }

    /// `redact` hides userinfo; without a copy where there is none. Valid until the next call.
    std::string_view redacted(std::string_view text, std::string (*redact)(std::string_view))
    {
        if (text.find('@') == std::string_view::npos) return text;
        hidden_ = redact(text);
        return hidden_;
    }

    static std::string_view direction(const std::string& host)
    {
        const auto literal = ip_address::parse(host);
        const bool internal = literal ? literal->scope() != ip_scope::global : host == "host" || host == "localhost";
        return internal ? "egress-internal" : "egress-external";
    }

    void duration(const record& entry)
    {
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(entry.duration).count();
        json_.signed_number("duration_ms", ms);
    }

    void fields(const record& entry, const dns_fields& dns)
    {
        json_.open("dns");
        json_.text("qname", dns.qname);
        // A refused look-up of an address is a host that was not reached: whoever collects hosts by "authority" must see it,
        // since no HTTP transaction can follow.
        if (entry.decision.action == "deny" && asks_for_address(dns.qtype)) json_.text("authority", dns.qname);
        json_.text("qtype", dns.qtype);
        json_.text("transport", dns.transport);
        json_.text("rcode", dns.rcode);
        list("answers", dns.answers);
        if (!dns.tier.empty() || !dns.key.empty()) {
            json_.text("tier", dns.tier);
            json_.text("key", dns.key);
            json_.real("cost_bits", dns.cost_bits);
            json_.real("spent_bits", dns.spent_bits);
        }
        json_.close();
        duration(entry);
    }

    void fields(const record& entry, const connection_fields& c)
    {
        json_.open("connection");
        json_.text("protocol", c.protocol);
        json_.text("host", c.host);
        json_.text("destination", c.destination);
        json_.text("upstream", c.upstream);
        json_.text_if("sni", c.sni);
        json_.text_if("alpn", c.alpn);
        json_.text("connection_id", c.connection_id);
        json_.text("close_reason", c.close_reason);
        json_.text_if("detail", redacted(c.detail, redact_userinfo));
        json_.number("bytes_sent", c.bytes_sent);
        json_.number("bytes_received", c.bytes_received);
        json_.close();
        duration(entry);
    }

    void fields(const record&, const alert_fields& alert)
    {
        json_.open("alert");
        json_.text("name", alert.name);
        json_.text("message", redacted(alert.message, redact_userinfo));
        json_.close();
    }

    void fields(const record& entry, const job_fields& job)
    {
        json_.open("lifecycle");
        json_.text("event", job.event);
        json_.text("mode", job.mode);
        json_.text("phase", job.phase);
        json_.text("policy", job.policy);
        arguments("command", job.command);
        list("allowed_sockets", job.allowed_sockets);
        if (job.exit_code) json_.signed_number("exit_code", *job.exit_code);
        json_.number("records", job.records);
        json_.number("denied", job.denied);
        json_.text("version", job.version);
        if (!job.network.empty()) json_.text("network", job.network);
        json_.close();
        duration(entry);
    }

    json_appender json_;
    const settings& how_;
    const budget& spend_;
    std::string hidden_;
    std::string& memory_;
    bool cut_ = false;
    bool body_cut_ = false;
};

/// Appends the line without its chain member, cut until it fits.
void append_body(std::string& out, const record& entry, std::uint64_t seq, const settings& how, std::string& memory)
{
    const std::size_t bound = std::max(how.max_record_bytes, min_record_bytes);
    const std::array<budget, 4> attempts{
        {{bound / 8, max_list_items, bound}, {bound / 16, 64, bound / 8}, {bound / 128, 32, bound / 16}, {64, 32, 1024}}};
    const auto start = out.size();
    for (const auto& spend : attempts) {
        out.resize(start);
        record_encoder(out, how, spend, memory).encode(entry, seq);
        if (out.size() - start + chain_bytes <= bound) return;
    }
}

/// Appends the whole line to `out`, which is empty or ends in a newline. `chain`: the previous line's value, then this one's.
void append_line(std::string& out, const record& entry, std::uint64_t seq, std::string& chain, const settings& how,
                 std::string& memory)
{
    const auto start = out.size();
    append_body(out, entry, seq, how, memory);
    advance_chain(chain, std::string_view(out).substr(start));
    out.pop_back();
    out += R"(,"chain":")";
    out += chain;
    out += "\"}";
}

} // namespace

std::string_view type_of(const record& entry) noexcept
{
    static constexpr std::array<std::string_view, 5> names{"http", "dns", "connection", "alert", "job"};
    static_assert(std::variant_size_v<decltype(record::what)> == names.size());
    return names[entry.what.index()];
}

std::string to_json_line(const record& entry, std::uint64_t seq, std::string_view previous, const settings& how)
{
    std::string out;
    std::string chain(previous);
    std::string memory;
    append_line(out, entry, seq, chain, how, memory);
    return out;
}

void line_encoder::append(const record& entry, std::string& out)
{
    if (seq_ == 0) head_ = chain_start(entry.job);
    append_line(out, entry, ++seq_, head_, how_, host_);
    out += '\n';
}

} // namespace cofferdam::audit
