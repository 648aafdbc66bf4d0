#pragma once

#include "core/bytes.hpp"

namespace cofferdam {

/// True for bytes that begin like a DNS message with a question (RFC 1035, 4.1): a header with an assigned opcode and
/// plausible counts, then one whole name without compression, its type, and a class in use. What follows is not looked at.
///
/// For naming what was found, where a server that is less strict than `dns::parse_query` might still answer it. Random
/// bytes pass less often than once in 10^12.
bool looks_like_dns(byte_view bytes) noexcept;

} // namespace cofferdam
