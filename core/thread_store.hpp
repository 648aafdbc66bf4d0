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
        if (closed) return T{};
        auto& kept = mine();
        if (kept.count == 0) return T{};
        return std::move(kept.items[--kept.count]);
    }
    /// Of the calling thread, whoever took it. Too many, or given while the thread ends: destroyed. So is all under a sanitizer
    /// of addresses: what is freed must be free there, or its use afterwards is not seen.
    static void give(T used) noexcept
    {
#ifdef __SANITIZE_ADDRESS__
        const T ended = std::move(used);
#else
        if (closed) return;
        auto& kept = mine();
        if (kept.count < Most) kept.items[kept.count++] = std::move(used);
#endif
    }

private:
    struct shelf {
        std::array<T, Most> items{};
        std::size_t count = 0;
        shelf() = default;
        shelf(const shelf&) = delete;
        shelf& operator=(const shelf&) = delete;
        ~shelf() { closed = true; }
    };
    inline static thread_local bool closed = false; // outlives the shelf
    static shelf& mine() noexcept
    {
        thread_local shelf kept;
        return kept;
    }
};

} // namespace cofferdam
