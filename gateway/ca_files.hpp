#pragma once

#include "tls/authority.hpp"

#include <string>

namespace cofferdam::gateway {

/// Writes a job's certificate (never its key) into `folder`, which is made if need be, for clients to mount: ca.pem, and
/// bundle.pem, the system's roots with it. Each file is replaced at once. Throws std::runtime_error with the path.
void write_ca_files(const std::string& folder, const tls::authority& ca);

} // namespace cofferdam::gateway
