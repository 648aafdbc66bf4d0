#pragma once

#include "core/ip.hpp"
#include "policy/policy.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::policy {

inline constexpr std::size_t max_entry_length = 2048; ///< octets of one allow line
inline constexpr std::size_t max_entry_methods = 32;

/// Which hosts an entry names.
struct host_pattern {
    enum class match : std::uint8_t {
        exact,       ///< `name` itself
        one_label,   ///< "*.name": one label in front of `name`
        many_labels, ///< "**.name": one or more labels in front of `name`
        address,     ///< no name at all: a literal in `range`
    };
    match how = match::exact;
    std::string name; ///< canonical; empty for address
    ip_prefix range;  ///< for address

    bool matches_name(std::string_view canonical) const noexcept;
    std::string to_string() const;
    friend bool operator==(const host_pattern&, const host_pattern&) noexcept = default;
};

enum class endpoint_kind : std::uint8_t {
    url, ///< http or https with a path prefix
    any, ///< any protocol over TCP to host:port
    udp,
    dns, ///< resolvable, nothing more
};

/// One compiled line of the allow-list.
///
///   [METHOD[,METHOD...] ](http|https)://HOST[:PORT][/PREFIX]   HOST: name, wildcard, literal or [v6]
///   HOST:PORT                                                  also RANGE:PORT, [v6-RANGE]:PORT
///   udp://HOST:PORT                                            as above, over UDP
///   dns:NAME                                                   name or wildcard
///
/// A wildcard is a whole leftmost label: `*` one label, `**` one or more; not on a public suffix. A prefix matches at segment
/// boundaries: `/acme/` what is below, `/acme` itself too, neither `/acmeevil`. The name `host` is the machine that runs the
/// gateway (written `host:5432` or `http://host:8080/`); to this module it is a name like any other.
struct endpoint {
    endpoint_kind kind = endpoint_kind::any;
    std::vector<std::string> methods; ///< sorted, unique; empty means all
    std::string scheme;               ///< "http" or "https" for url, else empty
    host_pattern where;
    std::uint16_t port = 0;                ///< 0 for dns
    std::string path;                      ///< canonical prefix for url, "/" if none was given
    std::string text;                      ///< as written, without surrounding space
    std::optional<std::uint32_t> dns_bits; ///< wildcards only, see entry_source

    bool matches_path(std::string_view canonical_path) const noexcept;
};

/// Parses one allow line. Throws policy_error that says what was expected.
endpoint parse_endpoint(const entry_source& source);

/// Parses one `tls.passthrough` entry: NAME:PORT, wildcards allowed. Throws policy_error.
endpoint parse_passthrough(const entry_source& source);

/// True if `prefix` covers `path` at a segment boundary; "*" (OPTIONS) is covered by "/" alone.
bool covers_path(std::string_view prefix, std::string_view path) noexcept;

/// The default port of "http" or "https"; 0 for anything else.
std::uint16_t default_port(std::string_view scheme) noexcept;

} // namespace cofferdam::policy
