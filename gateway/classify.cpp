#include "gateway/sniff.hpp"

namespace cofferdam::gateway {
namespace {

constexpr std::size_t max_method = 32;
constexpr std::size_t max_request_line = 16384;
constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n";

bool is_method_character(char c) noexcept { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; }

}  // namespace

result<first_bytes> classify(std::string_view bytes) noexcept
{
    if (bytes.empty()) return errc::need_more;
    if (bytes[0] == '\x16') {
        // TLS record header: handshake, major version 3.
        if (bytes.size() >= 2 && bytes[1] != '\x03') return first_bytes::opaque;
        return bytes.size() >= 2 ? result<first_bytes>(first_bytes::tls) : errc::need_more;
    }
    std::size_t begin = 0;
    if (bytes.starts_with("\r\n")) begin = 2;  // RFC 9112, 2.2: one empty line before the request line
    std::size_t i = begin;
    while (i < bytes.size() && i - begin <= max_method && is_method_character(bytes[i])) ++i;
    if (i == bytes.size()) return i - begin > max_method ? result<first_bytes>(first_bytes::opaque) : errc::need_more;
    if (i == begin || bytes[i] != ' ') {
        const bool partial_crlf = bytes == "\r";
        return partial_crlf ? result<first_bytes>(errc::need_more) : first_bytes::opaque;
    }
    const auto line_end = bytes.find('\n', i);
    if (line_end == std::string_view::npos) {
        return bytes.size() > max_request_line ? result<first_bytes>(first_bytes::http) : errc::need_more;
    }
    if (bytes.starts_with(http2_preface)) return first_bytes::http2;
    const auto line = bytes.substr(i, line_end - i);
    return line.find(" HTTP/") != std::string_view::npos ? first_bytes::http : first_bytes::opaque;
}

}  // namespace cofferdam::gateway
