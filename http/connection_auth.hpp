#pragma once

#include "http/field.hpp"

#include <vector>

namespace cofferdam::http {

/// True if the fields of a request or answer may tie what the connection carries to one user: authentication of a scheme
/// that is not known to stand in each message by itself. NTLM and Negotiate (RFC 4559, 6) authenticate the connection, and
/// a scheme nobody has heard of might. Looks at Authorization, and at what WWW-Authenticate offers.
bool binds_connection(const std::vector<field>& fields) noexcept;

} // namespace cofferdam::http
