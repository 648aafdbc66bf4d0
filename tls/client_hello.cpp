#include "tls/client_hello.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace cofferdam::tls {
namespace {

constexpr std::uint8_t record_handshake = 22;
constexpr std::uint8_t message_client_hello = 1;
constexpr std::size_t record_header = 5;
constexpr std::size_t message_header = 4;

enum extension : std::uint16_t {
    server_name = 0,
    application_layer_protocol_negotiation = 16,
    session_ticket = 35,
    pre_shared_key = 41,
    early_data = 42,
    supported_versions = 43,
    encrypted_client_hello = 0xfe0d,
    encrypted_server_name = 0xffce,
};

/// Inside a complete message a short read is a lie about a length, not a reason to wait.
error_code inside(const error_code& e)
{
    return e == errc::need_more ? make_error_code(errc::malformed) : e;
}

/// A vector with a length prefix of one or two bytes.
result<byte_view> vector8(byte_reader& in)
{
    const auto size = in.u8();
    if (!size) return inside(size.error());
    const auto body = in.take(*size);
    if (!body) return inside(body.error());
    return *body;
}

result<byte_view> vector16(byte_reader& in)
{
    const auto size = in.u16();
    if (!size) return inside(size.error());
    const auto body = in.take(*size);
    if (!body) return inside(body.error());
    return *body;
}

/// A vector that must be the whole of `body` and not empty.
result<byte_view> only_vector16(byte_view body)
{
    byte_reader in(body);
    const auto list = vector16(in);
    if (!list) return list.error();
    if (!in.empty() || list->empty()) return errc::malformed;
    return *list;
}

error_code read_server_name(byte_view body, client_hello& out)
{
    const auto list = only_vector16(body);
    if (!list) return list.error();
    byte_reader in(*list);
    const auto type = in.u8();
    if (!type || *type != 0) return errc::malformed;
    const auto name = vector16(in);
    if (!name) return name.error();
    // RFC 6066 3: no more than one name of a type, and host_name is the only type.
    if (!in.empty() || name->empty() || name->size() > max_server_name) return errc::malformed;
    if (std::find(name->begin(), name->end(), 0) != name->end()) return errc::malformed;
    out.sni = std::string(as_text(*name));
    return {};
}

error_code read_alpn(byte_view body, client_hello& out)
{
    const auto list = only_vector16(body);
    if (!list) return list.error();
    byte_reader in(*list);
    while (!in.empty()) {
        const auto protocol = vector8(in);
        if (!protocol) return protocol.error();
        if (protocol->empty()) return errc::malformed;
        out.alpn.emplace_back(as_text(*protocol));
    }
    return {};
}

error_code read_supported_versions(byte_view body, client_hello& out)
{
    byte_reader in(body);
    const auto list = vector8(in);
    if (!list) return list.error();
    if (!in.empty() || list->empty() || list->size() % 2 != 0) return errc::malformed;
    byte_reader versions(*list);
    while (!versions.empty()) out.supported_versions.push_back(*versions.u16());
    return {};
}

error_code read_extension(std::uint16_t type, byte_view body, client_hello& out)
{
    switch (type) {
    case server_name: return read_server_name(body, out);
    case application_layer_protocol_negotiation: return read_alpn(body, out);
    case supported_versions: return read_supported_versions(body, out);
    case session_ticket: out.has_ticket = !body.empty(); return {};
    case pre_shared_key: out.has_pre_shared_key = true; return {};
    case early_data: out.has_early_data = true; return body.empty() ? error_code() : make_error_code(errc::malformed);
    case encrypted_client_hello:
    case encrypted_server_name: out.has_ech = true; return {};
    default: return {};
    }
}

error_code read_extensions(byte_view list, client_hello& out)
{
    std::array<std::uint16_t, max_extensions> seen{};
    std::size_t count = 0;
    byte_reader in(list);
    while (!in.empty()) {
        const auto type = in.u16();
        if (!type) return errc::malformed;
        const auto body = vector16(in);
        if (!body) return body.error();
        const auto end = seen.begin() + static_cast<std::ptrdiff_t>(count);
        if (count == seen.size() || std::find(seen.begin(), end, *type) != end) return errc::malformed;
        seen[count++] = *type;
        if (out.has_pre_shared_key) return errc::malformed; // RFC 8446 4.2.11: it is the last one
        if (const auto failure = read_extension(*type, *body, out)) return failure;
    }
    return {};
}

/// The body of the message: complete, without its header.
result<client_hello> parse_body(byte_view body)
{
    client_hello out;
    byte_reader in(body);
    const auto version = in.u16();
    if (!version || *version >> 8 != 3) return errc::malformed;
    out.legacy_version = *version;
    if (!in.take(32)) return errc::malformed; // random
    const auto session_id = vector8(in);
    if (!session_id || session_id->size() > 32) return errc::malformed;
    out.session_id_size = session_id->size();
    const auto suites = vector16(in);
    if (!suites || suites->empty() || suites->size() % 2 != 0) return errc::malformed;
    const auto compression = vector8(in);
    if (!compression || std::find(compression->begin(), compression->end(), 0) == compression->end()) return errc::malformed;
    if (in.empty()) return out; // RFC 5246 7.4.1.2: a hello without the block of extensions
    const auto extensions = vector16(in);
    if (!extensions || !in.empty()) return errc::malformed;
    if (const auto failure = read_extensions(*extensions, out)) return failure;
    return out;
}

/// One step through the records. `fragment` is what is there of the record's payload.
struct record {
    byte_view fragment;
    std::size_t size = 0; ///< of the payload, as the header says
};

result<record> next_record(byte_view bytes, std::size_t offset)
{
    const auto rest = bytes.subspan(offset);
    if (!rest.empty() && rest[0] != record_handshake) return errc::malformed;
    if (rest.size() > 1 && rest[1] != 3) return errc::malformed;
    if (rest.size() < record_header) return errc::need_more;
    record out;
    out.size = static_cast<std::size_t>(rest[3]) << 8 | rest[4];
    if (out.size == 0 || out.size > max_record) return errc::malformed;
    out.fragment = rest.subspan(record_header, std::min(out.size, rest.size() - record_header));
    return out;
}

/// Whether the first bytes are TLS at all. `malformed` for SSLv2 framing, in which a server may still take a TLS hello
/// (RFC 5246 E.2): carried as unknown bytes it would be TLS that nobody opened.
error_code sniff(byte_view bytes)
{
    if (bytes.empty()) return errc::need_more;
    if (bytes[0] == record_handshake) {
        if (bytes.size() > 1 && bytes[1] != 3) return errc::unsupported;
        return {};
    }
    if (bytes[0] < 0x80) return errc::unsupported;
    if (bytes.size() > 2 && bytes[2] != message_client_hello) return errc::unsupported;
    if (bytes.size() > 3 && bytes[3] != 3) return errc::unsupported;
    return bytes.size() < 4 ? errc::need_more : errc::malformed;
}

/// What a walk through the records found out.
struct extent {
    std::size_t message = 0;  ///< bytes of the message, header included; 0 while unknown
    std::size_t gathered = 0; ///< bytes of it that are there
    std::size_t end = 0;      ///< offset behind the last record looked at, complete or not
    bool single = false;      ///< all of it in the first record
};

/// Takes the next message-header bytes from a fragment. False if this cannot become a ClientHello of at most `max`.
bool read_message_header(const extent& so_far, byte_view fragment, std::span<std::uint8_t, message_header> header)
{
    for (std::size_t i = 0; i < fragment.size() && so_far.gathered + i < message_header; ++i) {
        header[so_far.gathered + i] = fragment[i];
        if (so_far.gathered + i == 0 && fragment[0] != message_client_hello) return false;
    }
    return true;
}

/// Finds where the message ends. A value: it is complete.
result<extent> measure(byte_view bytes, std::size_t max, extent& at)
{
    std::array<std::uint8_t, message_header> header{};
    for (bool first = true;; first = false) {
        const auto next = next_record(bytes, at.end);
        if (!next) {
            if (next.error() == errc::need_more && at.end + record_header >= max) return errc::too_large;
            return next.error();
        }
        at.end += record_header + next->size;
        if (at.end > max) return errc::too_large;
        if (!read_message_header(at, next->fragment, header)) return errc::malformed;
        at.gathered += next->fragment.size();
        if (at.message == 0 && at.gathered >= message_header) {
            at.message = message_header + (std::size_t{header[1]} << 16 | std::size_t{header[2]} << 8 | header[3]);
        }
        if (at.message > max) return errc::too_large;
        // What the record holds behind the message would be a second one, before any answer: RFC 8446 5.1.
        const auto promised = at.gathered - next->fragment.size() + next->size;
        if (at.message != 0 && promised > at.message) return errc::malformed;
        if (next->fragment.size() < next->size) return errc::need_more;
        if (at.message != 0 && at.gathered == at.message) {
            at.single = first;
            return at;
        }
    }
}

} // namespace

result<client_hello> parse_client_hello(byte_view bytes, std::size_t max)
{
    if (const auto failure = sniff(bytes)) return failure;
    extent at;
    const auto whole = measure(bytes, max, at);
    if (!whole) return whole.error();

    std::vector<std::uint8_t> joined;
    auto message = bytes.subspan(record_header, whole->single ? whole->message : 0);
    if (!whole->single) {
        joined.reserve(whole->message);
        for (std::size_t offset = 0; offset < whole->end;) {
            const auto piece = next_record(bytes, offset);
            joined.insert(joined.end(), piece->fragment.begin(), piece->fragment.end());
            offset += record_header + piece->size;
        }
        message = joined;
    }
    auto hello = parse_body(message.subspan(message_header));
    if (hello) hello->wire_size = whole->end;
    return hello;
}

std::size_t client_hello_wants(byte_view bytes) noexcept
{
    const auto next = bytes.size() + 1;
    if (bytes.empty() || bytes[0] != record_handshake) return next;
    extent at;
    constexpr auto no_limit = std::size_t{1} << 25; // above what a message header can say
    if (measure(bytes, no_limit, at)) return next;
    // In the middle of a record: its end. In the middle of a header: the end of that. Later records are not known yet.
    return std::max(next, at.end > bytes.size() ? at.end : at.end + record_header);
}

} // namespace cofferdam::tls
