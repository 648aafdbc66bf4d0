#pragma once

#include "http/field_list.hpp"
#include "http/forward.hpp"
#include "http/head.hpp"

#include <string>
#include <string_view>

/// HTTP/2 field lists (RFC 9113, 8) to the heads that the policy judges, and back. What HTTP/1.1 would refuse is refused here
/// by the same parser.
namespace cofferdam::http {

/// Takes a request's field list apart. `bytes` owns what `out` views. `ends`: END_STREAM came with it, there is no body.
/// A WebSocket handshake (extended CONNECT, RFC 8441) becomes the GET that it stands for, with `websocket_upgrade`; any other
/// CONNECT has target_form::authority. Null, or what is wrong; the head is then good for the record only.
const fault* read_h2_request(const field_list& fields, bool ends, const limits& bounds, std::string& bytes, request_head& out);

/// As read_h2_request, for an interim or final answer to `method`. `ends`: it has no body. 101 is malformed (RFC 9113, 8.6).
const fault* read_h2_response(const field_list& fields, bool ends, std::string_view method, const limits& bounds,
                              std::string& bytes, response_head& out);

/// Checks a trailer section; fields that may not be trailers (RFC 9110, 6.5.1) are left out.
const fault* read_h2_trailers(const field_list& fields, const limits& bounds, field_list& out);

/// The field list of the request that was judged. `te_trailers`: the client said that it reads trailers (gRPC asks for it).
field_list write_h2_request(const forward_request& request, std::string_view scheme, bool te_trailers);
field_list write_h2_response(const forward_response& response);

} // namespace cofferdam::http
