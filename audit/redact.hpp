#pragma once

#include "audit/settings.hpp"

#include <string>
#include <string_view>

namespace cofferdam::audit {

/// What stands in the record in place of a secret.
inline constexpr std::string_view redacted_mark = "[redacted]";

/// Replaces the userinfo (RFC 3986, 3.2.1) of every "scheme://userinfo@host" in `text`. The "@" stays, so a host that
/// was written with userinfo never looks like the plain host.
std::string redact_userinfo(std::string_view text);

/// The same for a bare authority, "user:password@host:port".
std::string redact_authority(std::string_view authority);

/// True if settings.redact lists the header, ignoring case.
bool is_redacted_header(std::string_view name, const settings& how) noexcept;

/// One argument of a command line, given the one before it: userinfo in URLs, values of redacted headers ("Authorization:
/// ..."), values of options and variables that are named like a secret (--password X, --token=X, NPM_TOKEN=X, -u a:b).
/// A best effort: a secret under another name is not recognised.
std::string redact_argument(std::string_view argument, std::string_view previous, const settings& how);

} // namespace cofferdam::audit
