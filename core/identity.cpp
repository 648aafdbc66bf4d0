#include "core/identity.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <random>

namespace cofferdam {

std::string new_identifier()
{
    std::string out;
    renew_identifier(out);
    return out;
}

void renew_identifier(std::string& out)
{
    static const std::uint64_t process_salt = std::random_device{}();
    static std::atomic<std::uint32_t> counter{0};
    // 12 bytes: seconds, salt, counter; in base32hex as xid does: 20 characters.
    const auto seconds = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
    const std::uint32_t n = counter.fetch_add(1, std::memory_order_relaxed);
    std::array<std::uint8_t, 13> raw{};
    for (std::size_t i = 0; i < 4; ++i) raw[i] = static_cast<std::uint8_t>(seconds >> (24 - 8 * i));
    for (std::size_t i = 0; i < 4; ++i) raw[4 + i] = static_cast<std::uint8_t>(process_salt >> (24 - 8 * i));
    for (std::size_t i = 0; i < 4; ++i) raw[8 + i] = static_cast<std::uint8_t>(n >> (24 - 8 * i));
    static constexpr char digits[] = "0123456789abcdefghijklmnopqrstuv";
    out.clear();
    out.reserve(20);
    for (std::size_t bit = 0; bit < 100; bit += 5) {
        const std::size_t i = bit / 8, shift = bit % 8;
        const unsigned window = (unsigned{raw[i]} << 8) | raw[i + 1];
        out += digits[(window >> (11 - shift)) & 31U];
    }
}

} // namespace cofferdam
