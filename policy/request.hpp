#pragma once

#include "core/identity.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cofferdam::policy {

/// Questions put to `policy::decide`. All views must outlive the call only. Names are canonical: lower case A-labels,
/// no trailing dot, at most 253 octets (see canonical_name).

/// Stage name: may this name be resolved at all?
struct name_query {
    std::string_view name;
    std::uint16_t qtype = 1;
};

enum class transport : std::uint8_t { tcp, udp };
enum class application : std::uint8_t { unknown, http, tls, opaque };

/// Stage connection: could any request on this connection be allowed (http, tls), or is it allowed as a byte stream
/// (opaque, udp)? `host` is the name judged; without one only literal-address entries can match.
struct connection_attempt {
    transport proto = transport::tcp;
    application app = application::unknown;
    std::string_view host;      ///< empty if no name is known
    ip_endpoint destination;    ///< what the client dialled; its address counts only when `host` is empty
    std::string_view sni, alpn; ///< for expressions
    const flow_source* source = nullptr;
};

using header_list = std::vector<std::pair<std::string_view, std::string_view>>; ///< names in lower case

/// Stage request.
struct http_request {
    std::string_view method; ///< as sent; methods are case-sensitive (RFC 9110, 9.1)
    std::string_view scheme; ///< "http" or "https"
    std::string_view host;   ///< canonical name or address literal without brackets
    std::uint16_t port = 0;
    std::string_view path;  ///< canonical path, starts with '/' (or "*" for OPTIONS)
    std::string_view query; ///< without '?', empty if none
    const header_list* headers = nullptr;
    ip_endpoint destination;
    std::string_view sni, alpn, protocol = "http1";
    const flow_source* source = nullptr;
};

} // namespace cofferdam::policy
