#include "gateway/sniff.hpp"

namespace cofferdam::gateway {
namespace {

constexpr std::size_t max_request_line = 16384;
constexpr std::size_t max_method = 64; // the longest one registered has 17 bytes
constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n";

// What an HTTP start line is made of; binary protocols leave it within their first bytes.
bool is_line_text(char c) noexcept
{
    return static_cast<unsigned char>(c) >= 0x20 || c == '\t' || c == '\r';
}

bool is_line_end(char c) noexcept
{
    return c == '\r' || c == '\n';
}

// Text that is not HTTP and may have no line end to wait for: JSON, XML (XMPP), s-expressions; or one long word. No server
// makes a method of it, and RFC 9110 (9.1) allows none.
bool begins_no_request(std::string_view line) noexcept
{
    if (!line.empty() && std::string_view("{[(<\"").find(line[0]) != std::string_view::npos) return true;
    return line.size() > max_method && line.substr(0, max_method + 1).find_first_of(" \t") == std::string_view::npos;
}

} // namespace

result<first_bytes> classifier::look(std::string_view bytes) noexcept
{
    if (bytes.empty()) return errc::need_more;
    if (bytes[0] == '\x16') {
        // TLS record header: handshake, major version 3.
        if (bytes.size() < 2) return errc::need_more;
        return bytes[1] == '\x03' ? first_bytes::tls : first_bytes::opaque;
    }
    // A line that says HTTP/ is for the strict parser, however odd its method: it answers with what is wrong.
    // Empty lines before it are skipped by some servers (RFC 9112, 2.2), so they hide nothing here either.
    const bool too_long = bytes.size() > max_request_line;
    while (begin_ == seen_ && seen_ < bytes.size() && is_line_end(bytes[seen_])) begin_ = ++seen_;
    if (begin_ == bytes.size()) return too_long ? first_bytes::opaque : result<first_bytes>(errc::need_more);
    if (begins_no_request(bytes.substr(begin_))) return first_bytes::opaque;
    for (; seen_ < bytes.size() && bytes[seen_] != '\n'; ++seen_) {
        if (!is_line_text(bytes[seen_])) return first_bytes::opaque;
    }
    if (seen_ == bytes.size()) return too_long ? first_bytes::http : result<first_bytes>(errc::need_more);
    if (bytes.substr(begin_).starts_with(http2_preface)) return first_bytes::http2;
    const auto line = bytes.substr(begin_, seen_ - begin_);
    return line.find(" HTTP/") != std::string_view::npos ? first_bytes::http : first_bytes::opaque;
}

} // namespace cofferdam::gateway
