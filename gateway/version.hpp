#pragma once

#include <string_view>

namespace cofferdam::gateway {

inline constexpr std::string_view version = COFFERDAM_VERSION;

} // namespace cofferdam::gateway
