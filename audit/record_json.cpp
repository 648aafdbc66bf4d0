#include "audit/record_json.hpp"

#include "audit/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <memory>

namespace cofferdam::audit {
namespace {

namespace json = boost::json;

std::string_view view_of(const json::string& s) noexcept
{
    return {s.data(), s.size()};
}

/// Typed, forgiving look at one object.
class members {
public:
    members(const json::object* object, bool ours) noexcept : object_(object), ours_(ours) {}

    explicit operator bool() const noexcept { return object_ != nullptr; }

    members child(std::string_view key) const noexcept
    {
        const auto* value = find(key);
        return {value ? value->if_object() : nullptr, ours_};
    }

    std::string text(std::string_view key) const
    {
        const auto* value = find(key);
        return value ? text_of(*value) : std::string();
    }

    bool flag(std::string_view key) const noexcept
    {
        const auto* value = find(key);
        const auto* set = value ? value->if_bool() : nullptr;
        return set && *set;
    }

    std::vector<std::string> list(std::string_view key) const
    {
        std::vector<std::string> out;
        const auto* value = find(key);
        const auto* array = value ? value->if_array() : nullptr;
        if (!array) return out;
        for (const auto& item : *array) out.push_back(text_of(item));
        return out;
    }

    template <class Number>
    std::optional<Number> number(std::string_view key) const
    {
        const auto* value = find(key);
        if (!value || !value->is_number()) return std::nullopt;
        boost::system::error_code ec;
        const auto out = value->to_number<Number>(ec);
        if (ec) return std::nullopt;
        return out;
    }

    header_fields headers(std::string_view key) const
    {
        header_fields out;
        const auto* value = find(key);
        const auto* object = value ? value->if_object() : nullptr;
        if (!object) return out;
        for (const auto& member : *object) {
            const std::string_view name(member.key().data(), member.key().size());
            out.emplace_back(ours_ ? raw_text(name) : std::string(name), text_of(member.value()));
        }
        return out;
    }

private:
    const json::value* find(std::string_view key) const noexcept
    {
        return object_ ? object_->if_contains({key.data(), key.size()}) : nullptr;
    }

    std::string text_of(const json::value& value) const
    {
        const auto* s = value.if_string();
        if (!s) return {};
        return ours_ ? raw_text(view_of(*s)) : std::string(view_of(*s));
    }

    const json::object* object_;
    bool ours_;
};

decision_fields decision_from(const members& d)
{
    return {d.text("action"), d.text("would"), d.text("rule"), d.text("reason"),
            d.text("stage"),  d.text("hint"),  d.flag("alert")};
}

flow_source source_from(const members& top)
{
    flow_source out;
    const auto source = top.child("source");
    const auto address = source.text("address");
    const auto colon = address.rfind(':');
    if (colon != std::string::npos) {
        auto host = std::string_view(address).substr(0, colon);
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        const auto parsed = ip_address::parse(host);
        unsigned port = 0;
        for (const char c : std::string_view(address).substr(colon + 1)) {
            if (c < '0' || c > '9' || port > 6553) {
                port = 0;
                break;
            }
            port = port * 10 + static_cast<unsigned>(c - '0');
        }
        if (parsed && port <= 0xFFFF) out.address = {*parsed, static_cast<std::uint16_t>(port)};
    }
    const auto process = source.child("process");
    if (!process) return out;
    auto who = std::make_shared<process_identity>();
    who->pid = process.number<std::int64_t>("pid").value_or(0);
    who->exe = process.text("exe");
    who->cmdline = process.list("cmdline");
    who->uid = process.number<std::uint32_t>("uid").value_or(0);
    out.process = std::move(who);
    return out;
}

http_fields http_from(const members& top)
{
    http_fields out;
    const auto request = top.child("request"), response = top.child("response"), metadata = top.child("metadata");
    out.method = request.text("method");
    out.url = request.text("url");
    out.scheme = request.text("scheme");
    out.path = request.text("path");
    out.authority = request.text("authority");
    out.protocol = request.text("protocol");
    out.request_id = request.text("request_id");
    out.user_agent = request.text("user_agent");
    out.request_content_type = request.text("content_type");
    out.request_headers = request.headers("headers");
    out.response_content_type = response.text("content_type");
    out.response_headers = response.headers("headers");
    out.status = response.number<int>("status");
    out.upstream_status = response.number<int>("upstream_status");
    out.connection_id = metadata.text("connection_id");
    out.bytes_sent = metadata.number<std::uint64_t>("bytes_sent").value_or(0);
    out.bytes_received = metadata.number<std::uint64_t>("bytes_received").value_or(0);
    out.close_reason = top.text("close_reason");
    out.detail = top.text("detail");
    return out;
}

dns_fields dns_from(const members& dns)
{
    dns_fields out;
    out.qname = dns.text("qname");
    out.qtype = dns.text("qtype");
    out.transport = dns.text("transport");
    out.rcode = dns.text("rcode");
    out.answers = dns.list("answers");
    out.tier = dns.text("tier");
    out.key = dns.text("key");
    out.cost_bits = dns.number<double>("cost_bits").value_or(0);
    out.spent_bits = dns.number<double>("spent_bits").value_or(0);
    return out;
}

connection_fields connection_from(const members& c)
{
    connection_fields out;
    out.protocol = c.text("protocol");
    out.host = c.text("host");
    out.destination = c.text("destination");
    out.upstream = c.text("upstream");
    out.sni = c.text("sni");
    out.alpn = c.text("alpn");
    out.connection_id = c.text("connection_id");
    out.close_reason = c.text("close_reason");
    out.detail = c.text("detail");
    out.bytes_sent = c.number<std::uint64_t>("bytes_sent").value_or(0);
    out.bytes_received = c.number<std::uint64_t>("bytes_received").value_or(0);
    return out;
}

job_fields job_from(const members& j)
{
    job_fields out;
    out.event = j.text("event");
    out.mode = j.text("mode");
    out.phase = j.text("phase");
    out.policy = j.text("policy");
    out.command = j.list("command");
    out.allowed_sockets = j.list("allowed_sockets");
    out.exit_code = j.number<int>("exit_code");
    out.records = j.number<std::uint64_t>("records").value_or(0);
    out.denied = j.number<std::uint64_t>("denied").value_or(0);
    out.version = j.text("version");
    out.network = j.text("network");
    return out;
}

} // namespace

result<record> record_from_json(const boost::json::object& line, bool ours)
{
    const members top(&line, ours);
    record out;
    const auto type = top.text("type");
    if (type == "http" || (type.empty() && top.child("request")))
        out.what = http_from(top);
    else if (type == "dns")
        out.what = dns_from(top.child("dns"));
    else if (type == "connection")
        out.what = connection_from(top.child("connection"));
    else if (type == "alert")
        out.what = alert_fields{top.child("alert").text("name"), top.child("alert").text("message")};
    else if (type == "job")
        out.what = job_from(top.child("lifecycle"));
    else
        return errc::unsupported;
    const auto when = parse_time(top.text(ours ? "time" : "transaction_time"));
    if (when) out.time = *when;
    if (const auto ms = top.number<std::int64_t>("duration_ms"); ms && *ms >= 0 && *ms < (std::int64_t{1} << 40)) {
        out.duration = std::chrono::milliseconds(*ms);
    }
    out.job = top.text("job");
    out.decision = decision_from(top.child("decision"));
    out.source = source_from(top);
    return out;
}

} // namespace cofferdam::audit
