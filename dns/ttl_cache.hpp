#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace cofferdam::dns {

/// Bounded map from text to values that expire; when full, the least recently used goes. Not thread-safe.
template <class Value>
class ttl_cache {
public:
    using clock = std::chrono::steady_clock;

    explicit ttl_cache(std::size_t max_entries) : max_entries_(max_entries) {}

    /// Null if there is none, or it has expired. Valid until the next `put`.
    const Value* find(std::string_view key, clock::time_point now)
    {
        const auto at = index_.find(key);
        if (at == index_.end()) return nullptr;
        if (at->second->expiry <= now) {
            const auto gone = at->second;
            index_.erase(at); // before the entry: the index' key is a view of the entry's
            entries_.erase(gone);
            return nullptr;
        }
        entries_.splice(entries_.begin(), entries_, at->second);
        return &at->second->value;
    }

    void put(std::string_view key, Value value, clock::time_point expiry)
    {
        if (max_entries_ == 0) return;
        if (const auto at = index_.find(key); at != index_.end()) {
            at->second->value = std::move(value);
            at->second->expiry = expiry;
            entries_.splice(entries_.begin(), entries_, at->second);
            return;
        }
        if (entries_.size() >= max_entries_) {
            index_.erase(entries_.back().key);
            entries_.pop_back();
        }
        entries_.push_front({std::string(key), std::move(value), expiry});
        index_.emplace(entries_.front().key, entries_.begin());
    }

    std::size_t size() const noexcept { return entries_.size(); }

private:
    struct entry {
        std::string key;
        Value value;
        clock::time_point expiry;
    };

    std::size_t max_entries_;
    std::list<entry> entries_; // most recently used first
    std::unordered_map<std::string_view, typename std::list<entry>::iterator> index_;
};

} // namespace cofferdam::dns
