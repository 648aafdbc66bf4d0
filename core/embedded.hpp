#pragma once

#include "core/bytes.hpp"

#include <cstdint>

/// Declares the bytes of a file that cofferdam_embed (CMake) put into the program: EMBEDDED(order2) is a byte_view.
#define COFFERDAM_EMBEDDED(name)                                                                                                 \
    extern "C" const std::uint8_t cofferdam_embedded_##name[];                                                                   \
    extern "C" const std::uint8_t cofferdam_embedded_##name##_end[]

#define COFFERDAM_EMBEDDED_BYTES(name) ::cofferdam::byte_view(cofferdam_embedded_##name, cofferdam_embedded_##name##_end)
