#include "gateway/exchange.hpp"

#include "core/frame_store.hpp"
#include "core/text.hpp"
#include "core/thread_store.hpp"
#include "gateway/address_guard.hpp"
#include "gateway/encrypted_dns.hpp"
#include "gateway/evidence.hpp"
#include "gateway/flow.hpp"
#include "http/forward.hpp"
#include "policy/name.hpp"

namespace cofferdam::gateway {
namespace {

exchange::answer refuse(unsigned status, reason why, std::string detail)
{
    return {status, gateway_decision(why, policy::stage::request), std::move(detail)};
}

// As records and expressions say it.
std::string_view name_of(audit::http_version protocol) noexcept
{
    return protocol == audit::http_version::http2 ? "http2" : "http1";
}

std::uint16_t default_port(std::string_view scheme) noexcept
{
    return scheme == "https" ? 443 : 80;
}

audit::header_fields copy_fields(const std::vector<http::field>& fields)
{
    audit::header_fields out;
    out.reserve(fields.size());
    for (const auto& f : fields) out.emplace_back(std::string(f.name), std::string(f.value));
    return out;
}

constexpr std::size_t kept_bytes = 4096; // of one buffer

// Memory of ended exchanges, nothing in it.
using kept_texts = thread_store<std::string, 96>;
using kept_lists = thread_store<std::vector<http::field>, 128>;
using kept_records = thread_store<audit::http_fields, 48>;

void append_bounded(std::string& kept, std::string_view bytes, std::size_t limit, bool& truncated)
{
    const auto room = limit - std::min(limit, kept.size());
    kept += bytes.substr(0, room);
    truncated |= bytes.size() > room;
}

} // namespace

kept_list::kept_list(std::vector<http::field>& list) : list_(list)
{
    list_ = kept_lists::take();
}

kept_list::~kept_list()
{
    if (list_.capacity() == 0 || list_.capacity() * sizeof(http::field) > kept_bytes) return;
    list_.clear();
    kept_lists::give(std::move(list_));
}

exchange::exchange(flow& owner, std::string scheme, audit::http_version protocol)
    : head_bytes(kept_texts::take()), host(kept_texts::take()), owner_(owner), scheme_(std::move(scheme)), protocol_(protocol),
      began_(std::chrono::system_clock::now()), began_steady_(std::chrono::steady_clock::now()), fields_(kept_records::take())
{
    renew_identifier(fields_.request_id);
    fields_.connection_id = owner_.facts().id;
    fields_.scheme = scheme_;
    fields_.protocol = name_of(protocol_);
}

exchange::~exchange()
{
    try {
        if (place_ && !finished_) finish(reason::internal_error);
    }
    catch (...) { // no memory: the reservation writes the record of its draft
    }
    leave_memory();
}

void* exchange::operator new(std::size_t size)
{
    return take_frame(size);
}

void exchange::operator delete(void* memory, std::size_t size) noexcept
{
    give_frame(memory, size);
}

void exchange::leave_memory() noexcept
{
    static const audit::http_fields empty;
    for (auto* text : {&host, &head_bytes}) { // the larger last: the next head takes it
        if (text->capacity() > kept_bytes || text->capacity() <= std::string().capacity()) continue;
        text->clear();
        kept_texts::give(std::move(*text));
    }
    if (audit::memory_of(fields_) > kept_bytes) return;
    fields_ = empty; // allocates nothing: the strings keep their memory
    kept_records::give(std::move(fields_));
}

std::optional<exchange::answer> exchange::judge()
{
    describe_request();
    if (auto refused = judge_authority()) return refused;
    if (auto refused = judge_target()) return refused;
    http::forward_request sent; // what Connection names is not sent on, so it is not judged either
    const kept_list memory(sent.fields);
    http::rebuild(head, sent);
    verdict = judge_fields(sent.fields);
    if (captures(policy::capture_level::headers)) fields_.request_headers = copy_fields(head.fields);
    if (verdict.allowed()) return std::nullopt;
    return answer{403, verdict, verdict.detail};
}

policy::http_request exchange::question(const policy::header_list& headers) const
{
    policy::http_request out;
    out.method = head.method;
    out.scheme = scheme_;
    out.host = judged_name(host);
    out.port = port;
    out.path = target.path;
    out.query = target.query;
    out.headers = &headers;
    out.destination = owner_.facts().destination;
    out.sni = owner_.facts().sni;
    out.alpn = owner_.facts().alpn;
    out.protocol = name_of(protocol_);
    out.source = &owner_.facts().source;
    return out;
}

policy::decision exchange::judge_fields(const std::vector<http::field>& fields) const
{
    std::string names; // all of them, in one piece
    std::size_t size = 0;
    for (const auto& f : fields) size += f.name.size();
    names.reserve(size);
    policy::header_list lowered;
    lowered.reserve(fields.size());
    for (const auto& f : fields) {
        const auto start = names.size();
        for (const char c : f.name) names += to_lower(c);
        lowered.emplace_back(std::string_view(names).substr(start), f.value);
    }
    const auto rules = owner_.job().rules();
    const auto asked = question(lowered);
    return judge_doh(*rules, asked, fields, rules->decide(asked));
}

std::optional<exchange::answer> exchange::judge_trailers(const std::vector<std::pair<std::string, std::string>>& trailers)
{
    http::forward_request sent;
    http::rebuild(head, sent);
    for (const auto& [name, value] : trailers) sent.fields.push_back({name, value});
    auto again = judge_fields(sent.fields);
    again.at = policy::stage::content;
    const bool refused = !again.allowed();
    const bool worse = verdict.would == policy::action::allow && again.would == policy::action::deny;
    verdict.alert |= again.alert;
    if (refused || worse) {
        again.detail += again.detail.empty() ? "with the trailers of the request" : ", with the trailers of the request";
        again.alert = verdict.alert;
        verdict = std::move(again);
    }
    if (captures(policy::capture_level::headers)) {
        fields_.request_headers = copy_fields(head.fields);
        for (const auto& trailer : trailers) fields_.request_headers.push_back(trailer);
    }
    if (!refused) return std::nullopt;
    return answer{403, verdict, verdict.detail};
}

std::optional<exchange::answer> exchange::judge_answer(const http::response_head& response)
{
    if (verdict.would == policy::action::deny) return std::nullopt; // mode audit: the record says it already
    const policy::header_list none;
    auto refusal = judge_doh_answer(*owner_.job().rules(), question(none), response.fields);
    if (!refusal) return std::nullopt;
    refusal->alert = verdict.alert;
    verdict = std::move(*refusal);
    if (verdict.allowed()) return std::nullopt;
    return answer{403, verdict, verdict.detail};
}

void exchange::describe_request()
{
    fields_.method = head.method;
    fields_.authority = head.host.empty() ? std::string_view(owner_.facts().host) : head.host;
    fields_.path = head.origin_target;
    describe_url(head.origin_target);
    fields_.user_agent = http::value_of(head.fields, "user-agent");
    fields_.request_content_type = http::value_of(head.fields, "content-type");
}

std::optional<exchange::answer> exchange::judge_authority()
{
    const auto& facts = owner_.facts();
    port = facts.destination.port;
    if (head.form == http::target_form::authority) return refuse(405, reason::tunnel_refused, "CONNECT is not served here");
    if (!head.scheme.empty() && !equals_ignoring_case(head.scheme, scheme_)) {
        return refuse(400, reason::ambiguous_request, "the target's scheme is not that of the connection");
    }
    if (facts.proxied && head.form != http::target_form::absolute)
        return refuse(400, reason::malformed_request, "a proxy is asked for a URL");
    if (head.host.empty()) { // HTTP/1.0 without Host
        host = !facts.host.empty()        ? facts.host
               : facts.bound_name.empty() ? facts.destination.address.to_string()
                                          : facts.bound_name;
        fields_.authority = policy::join_host_port(host, port);
        return std::nullopt;
    }
    if (!facts.sni.empty() && !head.where.ipv6_literal && head.where.host == facts.sni) {
        host = facts.sni; // canonical since the ClientHello was judged
    }
    else {
        const auto parsed = head.where.ipv6_literal ? policy::parse_host('[' + std::string(head.where.host) + ']')
                                                    : policy::parse_host(head.where.host);
        if (!parsed) return refuse(400, reason::malformed_name, "Host is not a valid name");
        host = parsed->to_string();
    }
    if (facts.proxied) port = head.where.port ? head.where.port : default_port(scheme_);
    const auto claimed = head.where.port ? head.where.port : default_port(scheme_);
    if (head.where.port && claimed != port) {
        return refuse(421, reason::host_mismatch,
                      "Host says port " + std::to_string(claimed) + ", the connection is to port " + std::to_string(port));
    }
    if (!facts.host.empty() && host != facts.host) {
        return refuse(421, reason::host_mismatch, "TLS was opened for " + facts.host + ", the request is for " + host);
    }
    return std::nullopt;
}

std::optional<exchange::answer> exchange::judge_target()
{
    auto parsed = policy::canonical_target(head.origin_target);
    if (!parsed) {
        const bool ambiguous = parsed.error() == errc::ambiguous;
        return refuse(
            400, ambiguous ? reason::ambiguous_request : reason::malformed_request,
            "the path could be read in two ways or is malformed (dot segments, encoded separators, control characters)");
    }
    target = std::move(*parsed);
    fields_.path = target.path;
    describe_url(target.path);
    if (target.has_query) fields_.url.append(1, '?').append(target.query);
    return std::nullopt;
}

void exchange::describe_url(std::string_view path)
{
    auto& url = fields_.url; // appended to, since it has memory of its own
    url.assign(scheme_).append("://").append(fields_.authority);
    if (!path.starts_with('/')) url += '/';
    url.append(path);
}

http::refusal exchange::page_of(const answer& refused) const
{
    http::refusal out;
    out.why = refused.verdict.why;
    out.status = refused.status;
    out.method = head.method;
    out.url = fields_.url;
    out.rule = refused.verdict.rule;
    out.hint = refused.verdict.hint;
    out.detail = refused.detail;
    out.job = owner_.job().id();
    return out;
}

std::string_view exchange::host_field()
{
    const bool usual = port == default_port(scheme_);
    if (usual && host.find(':') == std::string::npos) return host;
    host_field_ = usual ? policy::bracketed(host) : policy::join_host_port(host, port);
    return host_field_;
}

bool exchange::reserve()
{
    if (place_) return true;
    auto place = owner_.job().audit().reserve_http();
    if (place) place_.emplace(std::move(*place));
    return place_.has_value();
}

void exchange::capture_request_body(std::string_view bytes)
{
    if (captures(policy::capture_level::full)) {
        append_bounded(fields_.request_body, bytes, owner_.job().settings().audit.max_body, fields_.body_truncated);
    }
}

void exchange::capture_response_body(std::string_view bytes)
{
    if (captures(policy::capture_level::full)) {
        append_bounded(fields_.response_body, bytes, owner_.job().settings().audit.max_body, fields_.body_truncated);
    }
}

void exchange::answered_by_origin(const http::response_head& response)
{
    fields_.status = static_cast<int>(response.status);
    fields_.upstream_status = fields_.status;
    fields_.response_content_type = http::value_of(response.fields, "content-type");
    if (captures(policy::capture_level::headers)) fields_.response_headers = copy_fields(response.fields);
}

void exchange::answered_by_gateway(unsigned status)
{
    fields_.status = static_cast<int>(status);
}

void exchange::note_malformed(const answer& refusal)
{
    verdict = refusal.verdict;
    if (fields_.method.empty() && !head.method.empty()) describe_request();
    if (fields_.authority.empty())
        fields_.authority = owner_.facts().host.empty() ? owner_.facts().bound_name : owner_.facts().host;
}

void exchange::finish(reason why, std::string detail)
{
    if (finished_) return;
    finished_ = true;
    auto& job = owner_.job();
    if (!sent_) fields_.bytes_sent = fields_.bytes_received = 0; // to or from the world: the gateway's own page is neither
    fields_.close_reason = to_string(why);
    fields_.detail = detail.empty() ? verdict.detail : std::move(detail);
    fields_.capture = policy::to_string(verdict.capture);
    const auto duration = std::chrono::steady_clock::now() - began_steady_;
    if (!place_) { // no record could be kept: the metrics still count the refusal
        job.metrics().request(protocol_, audit::verdict_label::deny, duration);
        return;
    }
    auto& entry = place_->draft();
    fill(entry, job, owner_.facts(), verdict);
    entry.time = began_;
    entry.duration = duration;
    std::swap(std::get<audit::http_fields>(entry.what), fields_); // the memory of an earlier record for that of this one
    place_->commit();
}

} // namespace cofferdam::gateway
