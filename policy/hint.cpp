#include "policy/hint.hpp"

#include "policy/endpoint.hpp"
#include "policy/name.hpp"

namespace cofferdam::policy {
namespace {

std::string judged_host(std::string_view host)
{
    const auto literal = ip_address::parse(host);
    return literal ? literal->unmapped().to_string() : std::string(host);
}

std::string origin(std::string_view scheme, std::string_view host, std::uint16_t port)
{
    return std::string(scheme) + "://" + (port == default_port(scheme) ? bracketed(host) : join_host_port(host, port));
}

bool parses(const std::string& line)
{
    try {
        static_cast<void>(parse_endpoint({line, {}}));
        return true;
    }
    catch (const policy_error&) {
        return false;
    }
}

bool is_entry_method(std::string_view method) noexcept
{
    return !method.empty() && method.size() <= 32 &&
           method.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == std::string_view::npos;
}

} // namespace

std::string hint_for(const name_query& query)
{
    return "dns:" + std::string(query.name);
}

std::string hint_for(const connection_attempt& attempt)
{
    const auto host = judged_host(attempt.host.empty() ? attempt.destination.address.to_string() : std::string(attempt.host));
    const auto port = attempt.destination.port;
    if (attempt.proto == transport::udp) return "udp://" + join_host_port(host, port);
    switch (attempt.app) {
    case application::http: return origin("http", host, port) + "/";
    case application::tls: return origin("https", host, port) + "/";
    case application::unknown:
    case application::opaque: break;
    }
    return join_host_port(host, port);
}

std::string exact_hint_for(const http_request& request)
{
    if (request.path.size() < 2 || request.path.size() > max_hint_path) return {};
    auto line = origin(request.scheme, judged_host(request.host), request.port) + std::string(request.path);
    return parses(line) ? line : std::string();
}

std::string hint_for(const http_request& request, bool with_method)
{
    const bool by_method = with_method && is_entry_method(request.method);
    const auto start = (by_method ? std::string(request.method) + " " : std::string()) +
                       origin(request.scheme, judged_host(request.host), request.port);
    auto path = request.path.substr(0, max_hint_path);
    const auto empty_segment = path.find("//");
    if (empty_segment != std::string_view::npos) path = path.substr(0, empty_segment + 1);
    for (auto slash = path.rfind('/'); slash != std::string_view::npos && slash > 0; slash = path.rfind('/', slash - 1)) {
        auto line = start + std::string(path.substr(0, slash + 1));
        if (parses(line)) return line; // else not a prefix that an entry can have; one segment less
    }
    return start + "/";
}

} // namespace cofferdam::policy
