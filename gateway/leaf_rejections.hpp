#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

namespace cofferdam::gateway {

/// How often a job's clients rejected the leaf of one host and port. Thread-safe, bounded: what finds no place is not counted.
class leaf_rejections {
public:
    static constexpr unsigned enough = 2;
    static constexpr std::size_t max_targets = 1024;

    void add(const std::string& target);
    /// `enough` were counted.
    bool reached(const std::string& target) const;

private:
    mutable std::mutex mutex_;
    std::unordered_map<std::string, unsigned> counts_;
};

} // namespace cofferdam::gateway
