#pragma once

#include <string>
#include <vector>

namespace cofferdam::sandbox {

/// Throws launch_error if standard input, output or error is a way out of the namespaces: a socket but a connected Unix
/// stream, a directory, a device that is not a terminal or a harmless one, an anonymous kernel object, or one of the
/// `protected_paths` itself. A closed one is opened on /dev/null.
void check_standard_streams(const std::vector<std::string>& protected_paths);

} // namespace cofferdam::sandbox
