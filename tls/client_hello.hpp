#pragma once

#include "core/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cofferdam::tls {

/// More extensions than any client sends; one more is malformed.
inline constexpr std::size_t max_extensions = 128;
/// RFC 8446 5.1: the plaintext of one record.
inline constexpr std::size_t max_record = 16384;
/// A host name in server_name may have no more bytes than DNS names have.
inline constexpr std::size_t max_server_name = 255;

/// What a job's first flight says about where it wants to go. Nothing in it is authenticated.
struct client_hello {
    std::uint16_t legacy_version = 0;              ///< 0x0303 for TLS 1.2 and 1.3
    std::vector<std::uint16_t> supported_versions; ///< as sent, GREASE included; empty if the extension is absent
    std::optional<std::string> sni;                ///< raw bytes as sent, neither lower-cased nor validated as a name
    std::vector<std::string> alpn;                 ///< in the client's order, GREASE included; empty if absent
    std::size_t session_id_size = 0;               ///< TLS 1.3 clients send one for middleboxes, it need not mean a session
    bool has_ticket = false;                       ///< a non-empty session_ticket (RFC 5077)
    bool has_pre_shared_key = false;               ///< TLS 1.3 resumption or an external PSK
    bool has_early_data = false;                   ///< 0-RTT bytes may follow the hello
    bool has_ech = false;                          ///< encrypted_client_hello (0xfe0d) or ESNI; may be GREASE, nobody can tell
    std::size_t wire_size = 0;                     ///< bytes the hello occupies on the wire, record headers included

    friend bool operator==(const client_hello&, const client_hello&) = default;
};

/// Reads the ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2) at the start of `bytes`: everything the client has sent so
/// far, peeked and not consumed. Call it again with more when it says `need_more`. The message may be spread over any
/// number of records and segments; what follows it (early data) is left alone.
///
/// Errors: `unsupported` these bytes are not TLS; `need_more` a valid prefix; `too_large` the hello does not fit `max`
/// bytes of wire; `malformed` everything else, also what two readers could take differently: duplicate extensions,
/// several or unknown server_name entries, a NUL in the name, lengths that do not add up, empty records, another
/// record type or message inside, a hello in SSLv2 framing.
result<client_hello> parse_client_hello(byte_view bytes, std::size_t max);

/// For `bytes` of which parse_client_hello said `need_more`: the least total number of bytes with which it can say
/// something new (always above bytes.size()). A good SO_RCVLOWAT for the next peek.
std::size_t client_hello_wants(byte_view bytes) noexcept;

} // namespace cofferdam::tls
