#pragma once

#include "core/result.hpp"

#include <string>
#include <string_view>

namespace cofferdam::policy {

inline constexpr std::size_t max_target_length = 65536; ///< octets of a request target; longer is errc::too_large

/// A request target in the one form that is judged and forwarded.
struct request_target {
    std::string path;               ///< begins with '/', or is "*"
    std::string query;              ///< without '?', byte for byte as sent
    bool has_query = false;         ///< "/a?" and "/a" are different targets
    bool has_encoded_slash = false; ///< the path contains %2F

    std::string to_string() const { return has_query ? path + '?' + query : path; } ///< what goes on the wire
    friend bool operator==(const request_target&, const request_target&) noexcept = default;
};

/// Canonicalises an origin-form target or "*" (RFC 9112, 3.2). What is returned is exactly what must be forwarded.
///
/// The path is normalised as far as RFC 3986, 6.2.2 calls spellings equivalent: escapes of unreserved characters are decoded
/// and the hex digits of the others put in upper case. Everything that an origin might read as another path is refused with
/// errc::ambiguous: dot segments in any encoding (also before ';' and before trailing %20), backslash and %5C, control
/// characters raw or encoded, raw space and non-ASCII, '#', escapes that are incomplete or not UTF-8 (overlong forms
/// included), and a second layer of encoding around '.', '/', '\', a control or a non-ASCII octet.
///
/// Two things are carried because clients need them, and cannot widen a prefix, which is compared on the exact bytes:
/// - `//`: an entry's path has no empty segment, so merging slashes behind a matched prefix stays behind it, and a path with
///   a slash too many before it does not match. Rules judge such a path in both readings (see merged_path).
/// - `%2F`, as npm sends for scoped packages: it is not a segment boundary, so `/acme%2Fx` is neither below `/acme` nor
///   `/acme/`; behind a matched prefix it can only go deeper, since dot segments are looked for behind it too.
///
/// The query is forwarded byte for byte; controls, space, non-ASCII and '#' are refused in it.
/// errc::malformed: empty, or neither '/...' nor "*". errc::too_large: over max_target_length. Idempotent.
result<request_target> canonical_target(std::string_view origin_form);

/// How else an origin may read a canonical path: %2F as '/', runs of '/' as one. Equal to `path` for nearly all paths.
std::string merged_path(std::string_view path);

/// True if merged_path(path) differs from path; no allocation.
bool has_second_reading(std::string_view path) noexcept;

} // namespace cofferdam::policy
