#pragma once

#include "core/bytes.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::tls {

/// A DER-encoded certificate.
using der_certificate = std::vector<std::uint8_t>;

/// The file of root certificates that this machine's OpenSSL clients read: $SSL_CERT_FILE if it is set, or the first
/// that exists of the places where Debian, Red Hat, SUSE and Alpine keep it. None: nullopt.
std::optional<std::filesystem::path> find_system_bundle();

/// Reads find_system_bundle(); empty if there is none (a job may still trust its own CA). Throws std::runtime_error that
/// names the file if it is there and cannot be read.
std::string read_system_bundle();

/// A bundle of two PEM texts, such as the system's roots and the job's CA: one block after the other.
std::string pem_bundle(std::string_view first, std::string_view second);

/// The certificates of a PEM text in their order; blocks that are not certificates are passed over.
/// Errors: `malformed` if a certificate block does not parse.
result<std::vector<der_certificate>> certificates_of(std::string_view pem);

/// The certificates of a PEM text again as PEM, without what is between them, up to the first block that can't be read.
std::string readable_certificates(std::string_view pem);

/// A Java trust store of the JKS format, version 2, with the certificates of `system_pem` as root-1, root-2, ... and the
/// job's CA as cofferdam-job-ca, sealed with `password` (ASCII; Java's default is "changeit"; readers without it may
/// leave it out). `made` is the date of the entries. Errors: as certificates_of.
result<std::vector<std::uint8_t>> java_trust_store(std::string_view system_pem, std::string_view ca_pem,
                                                   std::chrono::system_clock::time_point made,
                                                   std::string_view password = "changeit");

/// The name under which OpenSSL looks a root up in a hashed directory (openssl-rehash(1)): "xxxxxxxx.0".
/// Errors: `malformed` if `pem` holds no certificate.
result<std::string> subject_hash_name(std::string_view pem);

} // namespace cofferdam::tls
