#pragma once

#include "dns/message.hpp"

namespace cofferdam::dns {

/// The typed data of a carried record, `length` octets at `offset` of `message` (compressed names need the whole message).
/// errc::malformed if it is not exactly that long or violates the type's format; errc::unsupported for a type not carried.
result<rdata> read_rdata(byte_view message, std::uint16_t type, std::size_t offset, std::size_t length);

/// True if every name inside is host-like (name::is_host_like), so that a client's resolver reads it as we do. A service or
/// exchange may name the root (RFC 7505, RFC 2782), and the mailbox of an SOA may be anything: `write_rdata` replaces it.
bool has_clean_names(const rdata& data) noexcept;

} // namespace cofferdam::dns
