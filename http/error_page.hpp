#pragma once

#include "core/reason.hpp"
#include "http/forward.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace cofferdam::http {

/// Everything that the answer to a request that was not carried tells the developer. Strings may be untrusted.
struct refusal {
    reason why = reason::internal_error;
    unsigned status = 0; ///< 0: status_for(why)
    std::string_view method, url;
    std::string_view rule;   ///< the endpoint or rule that decided; empty: none matched
    std::string_view hint;   ///< the allow-list line that would permit just this; empty: none would
    std::string_view detail; ///< fault::what, the failed certificate check, ...; may be empty
    std::string_view job;    ///< job id
};

enum class media : std::uint8_t { text, json, html };

/// What the client would rather read, by Accept's quality values (RFC 9110, 12.5.1); text if it does not say.
media preferred_media(std::string_view accept) noexcept;
std::string_view content_type(media kind) noexcept;

/// 403 for policy, 400/421/431 for what was sent, 502/503/504 for what could not be served.
unsigned status_for(reason why) noexcept;

/// The body alone. Untrusted strings come out escaped twice: to one printable line, then for the medium; long ones are cut.
std::string render_refusal(const refusal& what, std::string_view accept);

/// The answer as any version of HTTP can send it. The fields view static text.
struct refusal_answer {
    forward_response head;
    std::string body; ///< as for GET; head.content_length is its size
};
refusal_answer make_refusal(const refusal& what, std::string_view accept);

struct refusal_options {
    std::string_view accept;     ///< value of Accept
    bool head_only = false;      ///< the request was HEAD: announce the body's length, send none
    bool close = true;           ///< the connection is not used again
    bool keep_alive_1_0 = false; ///< not closing, and the client speaks HTTP/1.0
};

/// Appends the whole answer: status line, Content-Type, Content-Length, Cache-Control: no-store,
/// X-Cofferdam-Reason: <token>, and the body.
void write_refusal(std::string& out, const refusal& what, const refusal_options& options);

} // namespace cofferdam::http
