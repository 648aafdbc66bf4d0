#include "tls/record_memory.hpp"

#include <array>
#include <cstdlib>
#include <malloc.h>
#include <openssl/crypto.h>

namespace cofferdam::tls {
namespace {

// A record with its header and tag, as OpenSSL rounds it; anything else is malloc's own.
constexpr std::size_t least = 16384, most = 40960;
constexpr std::size_t larger = 24576; // room for two records, which is what is read into
constexpr std::size_t max_kept = 32;

/// Freed blocks. They stay malloc's, so any thread may free any of them.
struct block_store {
    std::array<void*, max_kept> blocks{};
    std::size_t count = 0;
    ~block_store();
};

thread_local bool closed = false; // outlives the stores

block_store::~block_store()
{
    closed = true;
    while (count > 0) std::free(blocks[--count]);
}

/// Those for one record, and those for two: kept together, the many small ones of a time of handshakes would leave the others no
/// place.
block_store& store_of(std::size_t size) noexcept
{
    thread_local block_store one, two;
    return size < larger ? one : two;
}

bool is_record_size(std::size_t size) noexcept
{
    return size >= least && size <= most;
}

void* allocate(std::size_t size, const char*, int) noexcept
{
    return take_record_memory(size);
}

void* reallocate(void* memory, std::size_t size, const char*, int) noexcept
{
    return std::realloc(memory, size);
}

void release(void* memory, const char*, int) noexcept
{
    give_record_memory(memory);
}

} // namespace

void* take_record_memory(std::size_t size) noexcept
{
    if (!is_record_size(size) || closed) return std::malloc(size);
    auto& kept = store_of(size);
    for (std::size_t i = kept.count; i > 0; --i) {
        void* found = kept.blocks[i - 1];
        if (malloc_usable_size(found) < size) continue;
        kept.blocks[i - 1] = kept.blocks[--kept.count];
        return found;
    }
    return std::malloc(size);
}

void give_record_memory(void* memory) noexcept
{
    const auto size = memory ? malloc_usable_size(memory) : 0;
    if (is_record_size(size) && !closed) {
        auto& kept = store_of(size);
        if (kept.count < max_kept) {
            kept.blocks[kept.count++] = memory;
            return;
        }
    }
    std::free(memory);
}

bool keep_record_memory() noexcept
{
    return CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
}

} // namespace cofferdam::tls
