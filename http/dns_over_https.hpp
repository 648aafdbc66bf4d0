#pragma once

#include "http/field.hpp"

#include <string>
#include <string_view>
#include <vector>

/// DNS inside HTTP, as servers and clients of the world speak it: RFC 8484, RFC 9230 (oblivious), and the JSON interfaces
/// of public resolvers.
namespace cofferdam::http {

/// A request as it would be sent on. Views are the caller's.
struct doh_question {
    std::string_view method;
    std::string_view path;  ///< canonical, or "*"
    std::string_view query; ///< without '?'
    const std::vector<field>& fields;
    bool of_resolver = false; ///< the host is known to be a resolver: "/resolve?name=" says enough
};

/// How the request asks for DNS, for a person: "POST application/dns-message", "GET ?dns=", "GET ?name=&type=",
/// "GET accept application/dns-json", "POST /dns-query". Empty: it does not.
///
/// - a DNS media type in any Content-Type or Accept field;
/// - a parameter `dns` whose value is base64url (or base64) of something that looks like a DNS message;
/// - a path that ends in `/dns-query`, with a query or with a method that sends a body;
/// - a path that ends in `/resolve`, with the parameters `name` and `type`, the latter a DNS type.
/// Names and values of parameters are read with their escapes decoded. Linear in the size of the request.
std::string find_dns_over_https(const doh_question& request);

/// The DNS media type that a Content-Type or Accept value names, in lower case; empty: none. Parameters do not count.
std::string_view find_dns_media_type(std::string_view value) noexcept;

} // namespace cofferdam::http
