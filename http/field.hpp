#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace cofferdam::http {

/// One field line. Views into the buffer that was parsed.
struct field {
    std::string_view name;  ///< as sent; a token
    std::string_view value; ///< without surrounding SP and HTAB; 0x80..0xff are opaque and pass through

    friend bool operator==(const field&, const field&) = default;
};

/// The fields that a codec must understand, because they frame the message or concern this connection only.
enum class field_id : std::uint8_t {
    other,
    host,
    content_length,
    transfer_encoding,
    framing_lookalike, ///< Content_Length, Transfer_Encoding: CGI-style peers read "_" as "-"
    connection,
    keep_alive,
    proxy_connection,
    proxy_authenticate,
    proxy_authorization,
    te,
    upgrade,
    http2_settings,
    expect,
    websocket_key,
    websocket_version,
};

field_id identify(std::string_view name) noexcept;

/// True for fields that end at this hop whatever Connection says (RFC 9110, 7.6.1), and for those the gateway writes
/// itself: Host, Content-Length, Transfer-Encoding, Expect.
bool is_hop_by_hop(field_id id) noexcept;

/// The first field of that name, ignoring case, or nullptr.
const field* find_field(const std::vector<field>& fields, std::string_view name) noexcept;
/// Its value; empty if there is no such field.
std::string_view value_of(const std::vector<field>& fields, std::string_view name) noexcept;

/// RFC 9110, 9.2.2: a request of this method may be sent again if the connection died under it.
bool is_idempotent(std::string_view method) noexcept;

} // namespace cofferdam::http
