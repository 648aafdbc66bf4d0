#pragma once

#include <array>
#include <cstddef>
#include <utility>

namespace cofferdam {

/// What ended work of a thread leaves to the thread's next: at most `Most` objects whose memory is worth keeping. A T is made by
/// default where none is kept; moving one must not throw.
template <class T, std::size_t Most>
class thread_store {
public:
    static T take()
    {
        auto& kept = mine();
        if (!kept.open || kept.count == 0) return T{};
        return std::move(kept.items[--kept.count]);
    }
    /// Of the calling thread, whoever took it. Too many, or given while the thread ends: destroyed.
    static void give(T used) noexcept
    {
        auto& kept = mine();
        if (kept.open && kept.count < Most) kept.items[kept.count++] = std::move(used);
    }

private:
    struct shelf {
        std::array<T, Most> items{};
        std::size_t count = 0;
        bool open = true;
        shelf() = default;
        shelf(const shelf&) = delete;
        shelf& operator=(const shelf&) = delete;
        ~shelf() { open = false; }
    };
    static shelf& mine() noexcept
    {
        thread_local shelf kept;
        return kept;
    }
};

} // namespace cofferdam
