#include "core/frame_store.hpp"

#include <array>
#include <new>
#include <utility>

namespace cofferdam {
namespace {

constexpr std::size_t unit = 64, sizes = 64; // of 64 to 4096 bytes
constexpr std::size_t most_kept = 32U << 10; // bytes of a size: what an earlier load left must not keep out what this one needs

/// Lists of free blocks, one for each size; a block's first bytes point to the next.
struct shelf {
    struct block {
        block* next;
    };
    std::array<block*, sizes> lists{};
    std::array<std::size_t, sizes> kept{}; ///< bytes in each
    shelf() = default;
    shelf(const shelf&) = delete;
    shelf& operator=(const shelf&) = delete;
    ~shelf();
};

thread_local bool closed = false; // outlives the shelf

shelf::~shelf()
{
    closed = true;
    for (block* first : lists)
        while (first) ::operator delete(std::exchange(first, first->next));
}

shelf& mine() noexcept
{
    thread_local shelf kept;
    return kept;
}

/// In units; none: it is not kept.
constexpr std::size_t rounded(std::size_t size) noexcept
{
#ifdef __SANITIZE_ADDRESS__
    return 0 * size;
#else
    const auto units = (size + unit - 1) / unit;
    return units <= sizes ? units : 0;
#endif
}

} // namespace

void* take_frame(std::size_t size)
{
    const auto units = rounded(size);
    if (units == 0) return ::operator new(size);
    const auto bytes = units * unit;
    if (closed) return ::operator new(bytes);
    auto& from = mine();
    auto*& first = from.lists[units - 1];
    if (!first) return ::operator new(bytes);
    from.kept[units - 1] -= bytes;
    return std::exchange(first, first->next);
}

void give_frame(void* memory, std::size_t size) noexcept
{
    const auto units = rounded(size);
    if (units == 0 || closed) return ::operator delete(memory);
    auto& to = mine();
    auto& kept = to.kept[units - 1];
    if (kept + units * unit > most_kept) return ::operator delete(memory);
    auto*& first = to.lists[units - 1];
    first = new (memory) shelf::block{first};
    kept += units * unit;
}

} // namespace cofferdam
