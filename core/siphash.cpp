#include "core/siphash.hpp"

#include <random>

namespace cofferdam {

const siphash_key& process_siphash_key()
{
    static const siphash_key key = [] {
        std::random_device source; // getrandom(2) or the processor's generator
        const auto word = [&source] { return (std::uint64_t{source()} << 32) | source(); };
        siphash_key out{};
        for (auto& half : out) half = word();
        return out;
    }();
    return key;
}

} // namespace cofferdam
