#pragma once

#include <cstddef>

namespace cofferdam {

/// Memory for the frames of coroutines and for what lives as long as a request: what the calling thread gave back last, of the
/// same size rounded up to 64 bytes, or new. Throws std::bad_alloc. Above 4 KB it comes from operator new each time; under a
/// sanitizer of addresses always, since what is freed must be free there, or its use afterwards is not seen.
void* take_frame(std::size_t size);

/// Takes back what take_frame(size) gave, on any thread; keeps it for the calling thread's next frames, at most
/// 32 KB of each size.
void give_frame(void* memory, std::size_t size) noexcept;

} // namespace cofferdam
