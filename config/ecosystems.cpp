#include "config/ecosystems.hpp"

namespace cofferdam::config {

std::span<const ecosystem> ecosystems() noexcept { return {}; }

}  // namespace cofferdam::config
