#pragma once

#include <cstdint>

namespace cofferdam::sandbox {

/// CapEff of the calling thread (capabilities(7)), bit N for capability N.
std::uint64_t effective_capabilities();

/// What a job of a root caller keeps of `callers`: power over files and users that the map shows, none over namespaces,
/// mounts, network, devices or other processes.
std::uint64_t job_capabilities(std::uint64_t callers) noexcept;

/// Leaves the calling process exactly `kept` and no way to more: bounding, ambient, inheritable sets and no_new_privs.
/// Throws launch_error.
void keep_capabilities(std::uint64_t kept);

/// Sets the effective, permitted and inheritable sets alone. Throws launch_error.
void set_capabilities(std::uint64_t kept);

/// The system call filter of the job (seccomp.cpp). Needs no_new_privs. Throws launch_error.
void install_system_call_filter();

} // namespace cofferdam::sandbox
