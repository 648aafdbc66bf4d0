#include "gateway/sniff.hpp"

namespace cofferdam::gateway {
namespace {

constexpr std::size_t max_request_line = 16384;
constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n";

// What an HTTP start line is made of; binary protocols leave it within their first bytes.
bool is_line_text(std::string_view bytes) noexcept
{
    for (const char c : bytes) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet < 0x20 && c != '\t' && c != '\r') return false;
    }
    return true;
}

} // namespace

result<first_bytes> classify(std::string_view bytes) noexcept
{
    if (bytes.empty()) return errc::need_more;
    if (bytes[0] == '\x16') {
        // TLS record header: handshake, major version 3.
        if (bytes.size() < 2) return errc::need_more;
        return bytes[1] == '\x03' ? first_bytes::tls : first_bytes::opaque;
    }
    // A line that says HTTP/ is for the strict parser, however odd its method: it answers with what is wrong.
    // Empty lines before it are skipped by some servers (RFC 9112, 2.2), so they hide nothing here either.
    const std::size_t begin = bytes.find_first_not_of("\r\n");
    if (begin == std::string_view::npos)
        return bytes.size() > max_request_line ? first_bytes::opaque : result<first_bytes>(errc::need_more);
    const auto end = bytes.find('\n', begin);
    const auto line = bytes.substr(begin, end - begin);
    if (!is_line_text(line)) return first_bytes::opaque;
    if (end == std::string_view::npos) {
        return bytes.size() > max_request_line ? result<first_bytes>(first_bytes::http) : errc::need_more;
    }
    if (bytes.substr(begin).starts_with(http2_preface)) return first_bytes::http2;
    return line.find(" HTTP/") != std::string_view::npos ? first_bytes::http : first_bytes::opaque;
}

} // namespace cofferdam::gateway
