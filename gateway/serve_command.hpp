#pragma once

#include <string>

namespace cofferdam::gateway {

/// `cofferdam serve --config F`: captures traffic until SIGTERM or SIGINT. Prints "cofferdam: ready" on standard error when the
/// ruleset stands. Returns the exit code. Throws config_error, policy_error, std::runtime_error where it can't start. The ruleset
/// stays, and refuses everything, when the gateway ends. Must be called on the main thread of a process that has no other.
int serve_command(const std::string& file);

/// `cofferdam nft remove`: takes the ruleset away. Returns the exit code.
int remove_ruleset_command();

} // namespace cofferdam::gateway
