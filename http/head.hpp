#pragma once

#include "core/result.hpp"
#include "http/authority.hpp"
#include "http/fault.hpp"
#include "http/field.hpp"
#include "http/limits.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

/// HTTP/1.1 message heads (RFC 9112), strictly: what two readers could understand differently is refused, never repaired.
/// All views point into the caller's buffer.
namespace cofferdam::http {

inline constexpr std::size_t max_method = 32;             ///< octets of a method
inline constexpr std::size_t max_connection_options = 32; ///< elements of Connection, and of Upgrade

enum class body_kind : std::uint8_t { none, length, chunked, until_close };
enum class target_form : std::uint8_t { origin, absolute, authority, asterisk };
enum class message_kind : std::uint8_t { request, response };

/// Finds the end of a head that arrives in pieces, looking at each byte once. While the rest is missing it judges the start
/// line as soon as that is complete. One scanner per message; `reset` before the next.
class head_scanner {
public:
    explicit head_scanner(message_kind kind) noexcept : kind_(kind) {}

    /// `buffer` begins where the message begins and only ever grows between calls (it may move in memory). Returns the
    /// size of the head with its final empty line; errc::need_more, or the code of why() for ever after.
    result<std::size_t> find_end(std::string_view buffer, const limits& bounds);

    /// Where the start line begins: 0, or 2 after the one empty line that RFC 9112, 2.2 lets a server skip.
    std::size_t begin() const noexcept { return begin_; }
    bool has_start_line() const noexcept { return start_end_ != 0; }
    /// The start line without CRLF; valid if has_start_line().
    std::string_view start_line(std::string_view buffer) const noexcept { return buffer.substr(begin_, start_end_ - begin_); }
    /// False while nothing but an empty line was seen: a connection closed then was closed between messages.
    bool started() const noexcept { return started_; }
    const fault* why() const noexcept { return why_; }
    void reset() noexcept { *this = head_scanner(kind_); }

private:
    enum class stage : std::uint8_t { leading, start_line, fields, complete };
    const fault* scan(std::string_view buffer, const limits& bounds);
    const fault* scan_leading(std::string_view buffer);
    const fault* scan_start_line(std::string_view buffer, const limits& bounds);
    const fault* scan_fields(std::string_view buffer, const limits& bounds);

    message_kind kind_;
    stage stage_ = stage::leading;
    bool started_ = false;
    bool start_checked_ = false;
    bool starved_ = false; // the current stage saw all of the buffer
    std::size_t begin_ = 0;
    std::size_t start_end_ = 0;
    std::size_t line_ = 0;     // where the current field line begins
    std::size_t position_ = 0; // the first byte not looked at; the head's size once complete
    const fault* why_ = nullptr;
};

/// A request head. Valid only if the parser returned a size, with one exception for the record: `method` and `target` are
/// also set if the request line was well-formed and something after it was not, and `why` says what was wrong.
struct request_head {
    std::string_view method; ///< case-sensitive
    std::string_view target; ///< as sent
    unsigned minor = 1;      ///< HTTP/1.<minor>
    target_form form = target_form::origin;
    std::string_view scheme;                  ///< absolute-form only, as sent ("http", "https"): compare with the connection's
    std::string_view host;                    ///< Host or the target's authority (never two different ones); empty: 1.0 without
    authority where;                          ///< `host`, taken apart
    std::string_view origin_target;           ///< path and query to be judged and sent; "*"; for CONNECT the authority
    std::vector<field> fields;                ///< all of them, in order, as sent
    body_kind body = body_kind::none;         ///< never until_close
    std::uint64_t content_length = 0;         ///< body_kind::length only
    bool keep_alive = true;                   ///< the client would go on
    bool expect_continue = false;             ///< HTTP/1.1 and a body follows
    bool websocket_upgrade = false;           ///< a complete RFC 6455 handshake; the one upgrade that is carried
    std::vector<std::string_view> upgrade;    ///< elements of Upgrade
    std::vector<std::string_view> connection; ///< elements of Connection other than close, keep-alive, upgrade
    const fault* why = nullptr;
};

/// Returns the size of the head. errc: need_more; malformed; ambiguous; too_large; unsupported (other versions, transfer
/// codings, expectations). Call it again with the grown buffer and the same scanner.
result<std::size_t> parse_request_head(std::string_view buffer, const limits& bounds, request_head& out, head_scanner& scanner);
result<std::size_t> parse_request_head(std::string_view buffer, const limits& bounds, request_head& out);

struct response_head {
    unsigned status = 0; ///< 100..599
    unsigned minor = 1;
    std::string_view reason; ///< may be empty; may hold obs-text
    std::vector<field> fields;
    body_kind body = body_kind::none;
    std::uint64_t content_length = 0; ///< of body_kind::length, or what a HEAD or 304 answer declares
    bool has_content_length = false;
    bool keep_alive = true;         ///< the server would go on; false for until_close
    bool websocket_upgrade = false; ///< 101 to our WebSocket handshake
    std::vector<std::string_view> upgrade;
    std::vector<std::string_view> connection;
    const fault* why = nullptr;

    /// More heads follow for the same request (not to be passed on to an HTTP/1.0 client). The caller counts them
    /// against limits::max_interim_responses.
    bool interim() const noexcept { return status < 200 && status != 101; }
};

/// What a response answers, without which it cannot be delimited (RFC 9112, 6.3).
struct response_context {
    std::string_view request_method;
    bool upgrade_requested = false; ///< the request was sent with a WebSocket handshake
};

/// As parse_request_head. Ambiguity in a response counts as errc::malformed: there is one answer to it, 502. A 101 that
/// was not asked for and a 2xx to CONNECT are errc::unsupported.
result<std::size_t> parse_response_head(std::string_view buffer, const limits& bounds, const response_context& context,
                                        response_head& out, head_scanner& scanner);
result<std::size_t> parse_response_head(std::string_view buffer, const limits& bounds, const response_context& context,
                                        response_head& out);

} // namespace cofferdam::http
