#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace cofferdam::sandbox {

/// Why no job could be started: one sentence that says what was tried, what the system answered and, where known,
/// which setting is the cause. Everything that launch, show and start throw is one of these.
class launch_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Throws launch_error "WHAT: strerror(ERROR)".
[[noreturn]] void throw_errno(std::string_view what, int error);

/// Throws as above with the current errno.
[[noreturn]] void throw_errno(std::string_view what);

} // namespace cofferdam::sandbox
