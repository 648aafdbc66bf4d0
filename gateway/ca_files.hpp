#pragma once

#include "tls/authority.hpp"

#include <string>

namespace cofferdam::gateway {

/// Writes a job's certificate (never its key) into `folder`, which is made if need be, for clients to mount: ca.pem, and
/// bundle.pem, the system's roots with it. Each file is replaced at once. Throws std::runtime_error with the path.
void write_ca_files(const std::string& folder, const tls::authority& ca);

/// Removes from `folder` the folders of jobs, each named by its id, that a gateway left which was killed. What holds anything
/// else than such files stays.
void remove_ca_folders(const std::string& folder);

} // namespace cofferdam::gateway
