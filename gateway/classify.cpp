#include "gateway/sniff.hpp"

namespace cofferdam::gateway {
namespace {

constexpr std::size_t max_request_line = 16384;
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
    for (; seen_ < bytes.size() && bytes[seen_] != '\n'; ++seen_) {
        if (!is_line_text(bytes[seen_])) return first_bytes::opaque;
    }
    if (seen_ == bytes.size()) return too_long ? first_bytes::http : result<first_bytes>(errc::need_more);
    if (bytes.substr(begin_).starts_with(http2_preface)) return first_bytes::http2;
    const auto line = bytes.substr(begin_, seen_ - begin_);
    return line.find(" HTTP/") != std::string_view::npos ? first_bytes::http : first_bytes::opaque;
}

} // namespace cofferdam::gateway
