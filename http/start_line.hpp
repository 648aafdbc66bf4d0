#pragma once

#include "http/head.hpp"

namespace cofferdam::http {

/// `line` is without CRLF. Sets method, target, minor, form; scheme, host (from the target) and origin_target.
const fault* parse_request_line(std::string_view line, request_head& out) noexcept;

/// Sets status, minor and reason.
const fault* parse_status_line(std::string_view line, response_head& out) noexcept;

} // namespace cofferdam::http
