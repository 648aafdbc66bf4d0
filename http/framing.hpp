#pragma once

#include "http/head.hpp"

namespace cofferdam::http {

/// What the field section says about the message itself and about this connection.
struct field_summary {
    std::string_view host, content_length, transfer_encoding, expect;
    unsigned hosts = 0, lengths = 0, encodings = 0, expects = 0;
    unsigned websocket_keys = 0, websocket_versions = 0;
    bool close = false, keep_alive = false, upgrade = false; ///< connection options
};

/// Reads the known fields. `connection` receives the other connection options, `upgrade` the elements of Upgrade.
const fault* summarise(const std::vector<field>& fields, message_kind kind, field_summary& out,
                       std::vector<std::string_view>& connection, std::vector<std::string_view>& upgrade);

/// How the fields frame a body (RFC 9112, 6.3), before the exceptions for certain methods and statuses: none, length or
/// chunked. Refuses every combination that two readers could frame differently.
const fault* frame(const field_summary& summary, unsigned minor, body_kind& body, std::uint64_t& length) noexcept;

/// True if one of the elements of Upgrade is "websocket".
bool lists_websocket(const std::vector<std::string_view>& upgrade) noexcept;

} // namespace cofferdam::http
