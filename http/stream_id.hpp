#pragma once

#include <cstdint>

namespace cofferdam::http {

using stream_id = std::int32_t;

} // namespace cofferdam::http
