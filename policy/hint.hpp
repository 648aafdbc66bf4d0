#pragma once

#include "policy/request.hpp"

#include <string>

namespace cofferdam::policy {

inline constexpr std::size_t max_hint_path = 200; ///< octets of path in a hint

/// The narrowest sensible allow line that permits what was asked. Each parses as an endpoint that does. `with_method` limits
/// the line to the request's method, for a URL that is listed with others. An address literal is written as `unmapped()`.
std::string hint_for(const name_query& query);
std::string hint_for(const connection_attempt& attempt);
std::string hint_for(const http_request& request, bool with_method);
/// The line that names exactly this URL, as policy::lists_url asks for; empty where no line can.
std::string exact_hint_for(const http_request& request);

} // namespace cofferdam::policy
