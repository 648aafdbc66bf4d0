#pragma once

#include <cstddef>

namespace cofferdam::tls {

/// Makes OpenSSL take its record buffers from a small store of each thread. Connections give them back whenever they are
/// idle (SSL_MODE_RELEASE_BUFFERS), twice a message, and at their size malloc(3) splits and joins its arena each time.
/// To be called before anything else of OpenSSL; false, and no harm done, if it was not.
bool keep_record_memory() noexcept;

/// What keep_record_memory() installs.
void* take_record_memory(std::size_t size) noexcept;
void give_record_memory(void* memory) noexcept;

} // namespace cofferdam::tls
