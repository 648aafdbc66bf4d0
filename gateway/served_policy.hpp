#pragma once

#include "policy/policy.hpp"

#include <memory>
#include <string_view>

namespace cofferdam::gateway {

/// Compiles the policy of a job of `cofferdam serve`, once for each of its phases; that of `phase` is returned. Throws
/// policy_error, for udp:// entries too: `serve` does not carry them.
std::shared_ptr<const policy::policy> compile_served(const policy::policy_source& source, std::string_view phase = {});

} // namespace cofferdam::gateway
