#pragma once

#include <string>
#include <string_view>

namespace cofferdam::sandbox {

/// "WHAT: strerror(ERROR)" and, if this system forbids user namespaces, the setting that does so and the line that
/// changes it; where no setting does, what else may be the reason that namespaces cannot be made. `sysctl_root` is
/// /proc/sys but in tests.
std::string explain_refusal(std::string_view what, int error, const std::string& sysctl_root = "/proc/sys");

/// The same for a step in namespaces that were made: only settings that take effect there.
std::string explain_restriction(std::string_view what, int error, const std::string& sysctl_root = "/proc/sys");

} // namespace cofferdam::sandbox
