#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cofferdam::dns {

/// A table of fixed size from keyed 64-bit hashes to small values, by open addressing. Entries are never removed. Since the key
/// is secret, a peer can neither bring about collisions nor long searches.
template <class Value>
class keyed_table {
public:
    explicit keyed_table(std::size_t max_entries) : max_entries_(max_entries), slots_(std::bit_ceil(2 * max_entries)) {}

    Value* find(std::uint64_t hash) noexcept
    {
        auto& found = slot_of(hash);
        return found.taken ? &found.value : nullptr;
    }

    /// The value, made if there was none; null if there was none and the table is full.
    Value* find_or_add(std::uint64_t hash) noexcept
    {
        auto& found = slot_of(hash);
        if (found.taken) return &found.value;
        if (size_ == max_entries_) return nullptr;
        ++size_;
        found.taken = true;
        found.hash = hash;
        return &found.value;
    }

    std::size_t size() const noexcept { return size_; }
    std::size_t room() const noexcept { return max_entries_ - size_; }

private:
    struct slot {
        std::uint64_t hash = 0;
        Value value{};
        bool taken = false;
    };

    slot& slot_of(std::uint64_t hash) noexcept
    {
        auto at = hash & (slots_.size() - 1);
        while (slots_[at].taken && slots_[at].hash != hash) at = (at + 1) & (slots_.size() - 1);
        return slots_[at];
    }

    std::size_t max_entries_, size_ = 0;
    std::vector<slot> slots_;
};

} // namespace cofferdam::dns
