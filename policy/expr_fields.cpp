#include "policy/expr_fields.hpp"

#include "core/text.hpp"
#include "policy/endpoint.hpp"
#include "policy/name.hpp"

#include <array>

namespace cofferdam::policy::expr {
namespace {

struct known_field {
    std::string_view name;
    field which;
    type what;
};

// In the order of the enumeration, the header field excepted.
constexpr std::array known_fields = std::to_array<known_field>({
    {"protocol", field::protocol, type::text},
    {"direction", field::direction, type::text},
    {"src.ip", field::src_ip, type::address},
    {"src.port", field::src_port, type::integer},
    {"src.process.path", field::src_process_path, type::text},
    {"src.process.binary", field::src_process_binary, type::text},
    {"src.process.user.id", field::src_process_user_id, type::integer},
    {"dst.ip", field::dst_ip, type::address},
    {"dst.port", field::dst_port, type::integer},
    {"dst.domain", field::dst_domain, type::text},
    {"tls.enabled", field::tls_enabled, type::boolean},
    {"tls.sni", field::tls_sni, type::text},
    {"tls.alpn", field::tls_alpn, type::text},
    {"http.req.method", field::http_req_method, type::text},
    {"http.req.path", field::http_req_path, type::text},
    {"http.req.scheme", field::http_req_scheme, type::text},
    {"http.req.host", field::http_req_host, type::text},
    {"http.req.url", field::http_req_url, type::text},
});
static_assert(known_fields.size() == static_cast<std::size_t>(field::http_req_header));

constexpr std::string_view header_prefix = "http.req.headers.";

value text_or_missing(std::string_view text) noexcept
{
    return text.empty() ? value::missing() : value::of(text);
}

} // namespace

std::optional<field_name> find_field(std::string_view dotted)
{
    for (const auto& entry : known_fields) {
        if (entry.name == dotted) return field_name{entry.which, {}};
    }
    if (dotted.size() > header_prefix.size() && dotted.starts_with(header_prefix)) {
        return field_name{field::http_req_header, to_lower(dotted.substr(header_prefix.size()))};
    }
    return std::nullopt;
}

type type_of(field which) noexcept
{
    const auto index = static_cast<std::size_t>(which);
    return index < known_fields.size() ? known_fields[index].what : type::text;
}

fields::fields(const name_query& query) noexcept : at_(known::name), name_(query.name) {}

fields::fields(const connection_attempt& attempt) noexcept
    : at_(known::connection), proto_(attempt.proto), app_(attempt.app), port_(attempt.destination.port), sni_(attempt.sni),
      alpn_(attempt.alpn), source_(attempt.source)
{
    judge_host(attempt.host, &attempt.destination);
    if (app_ == application::http) scheme_ = "http";
    if (app_ == application::tls) scheme_ = "https";
}

fields::fields(const http_request& request) noexcept
    : at_(known::request), app_(request.scheme == "https" ? application::tls : application::http), port_(request.port),
      sni_(request.sni), alpn_(request.alpn), protocol_(request.protocol), method_(request.method), scheme_(request.scheme),
      path_(request.path), query_(request.query), headers_(request.headers), source_(request.source)
{
    judge_host(request.host, nullptr);
}

void fields::judge_host(std::string_view host, const ip_endpoint* dialled) noexcept
{
    if (host.empty()) {
        if (dialled) literal_ = dialled->address.unmapped();
        return;
    }
    if (const auto literal = ip_address::parse(host))
        literal_ = literal->unmapped();
    else
        name_ = host;
}

value fields::get(field which, std::string_view header) const
{
    switch (which) {
    case field::direction: return value::of(std::string_view("egress"));
    case field::dst_domain: return text_or_missing(name_);
    case field::dst_ip: return literal_ ? value::of(*literal_) : value::missing();
    case field::dst_port: return at_ == known::name ? value::later() : value::of(std::int64_t{port_});
    case field::protocol:
        if (at_ == known::request) return text_or_missing(protocol_);
        if (at_ == known::connection && proto_ == transport::udp) return value::of(std::string_view("udp"));
        return app_ == application::opaque ? value::of(std::string_view("tcp")) : value::later();
    case field::src_ip:
    case field::src_port:
    case field::src_process_path:
    case field::src_process_binary:
    case field::src_process_user_id: return source(which);
    case field::tls_enabled:
    case field::tls_sni:
    case field::tls_alpn: return tls(which);
    default: return http(which, header);
    }
}

value fields::source(field which) const
{
    if (at_ == known::name) return value::later();
    if (source_ == nullptr) return value::missing();
    if (which == field::src_ip) return value::of(source_->address.address);
    if (which == field::src_port) return value::of(std::int64_t{source_->address.port});
    const auto* process = source_->process.get();
    if (process == nullptr) return value::missing();
    if (which == field::src_process_user_id) return value::of(std::int64_t{process->uid});
    const std::string_view path = process->exe;
    if (which == field::src_process_path) return text_or_missing(path);
    return text_or_missing(path.substr(path.rfind('/') + 1));
}

value fields::tls(field which) const
{
    const bool undecided = proto_ == transport::tcp && app_ == application::unknown;
    if (undecided) return value::later();
    if (which == field::tls_enabled) return value::of(app_ == application::tls);
    return text_or_missing(which == field::tls_sni ? sni_ : alpn_);
}

value fields::http(field which, std::string_view header) const
{
    const bool byte_stream = proto_ == transport::udp || app_ == application::opaque;
    if (byte_stream) return value::missing();
    if (which == field::http_req_host) return http_host();
    if (which == field::http_req_scheme) return scheme_.empty() ? value::later() : value::of(scheme_);
    if (at_ != known::request) return value::later();
    if (which == field::http_req_method) return text_or_missing(method_);
    if (which == field::http_req_path) return text_or_missing(path_);
    return which == field::http_req_url ? http_url() : http_header(header);
}

value fields::http_host() const
{
    if (host_.empty()) {
        host_ = literal_ ? bracketed(literal_->to_string()) : std::string(name_);
        if (!scheme_.empty() && port_ != default_port(scheme_)) host_.append(":").append(std::to_string(port_));
    }
    if (host_.empty()) return value::missing();
    return scheme_.empty() ? value::open_host(host_) : value::of(std::string_view(host_));
}

value fields::http_url() const
{
    if (url_.empty()) {
        url_ = std::string(scheme_) + "://";
        url_ += http_host().text;
        url_ += path_;
        if (!query_.empty()) url_.append("?").append(query_);
    }
    return value::of(std::string_view(url_));
}

value fields::http_header(std::string_view name) const
{
    if (headers_ == nullptr) return value::missing();
    value out = value::missing();
    for (const auto& [key, text] : *headers_) {
        if (key != name) continue;
        if (out.is == value::state::missing) {
            out = value::of(text);
            continue;
        }
        joined_ = std::string(out.text) + ", " + std::string(text); // RFC 9110, 5.3
        out = value::of(std::string_view(joined_));
    }
    return out;
}

} // namespace cofferdam::policy::expr
