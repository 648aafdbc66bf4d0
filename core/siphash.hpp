#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace cofferdam {

/// A 128-bit key, its two halves in the order of the specification.
using siphash_key = std::array<std::uint64_t, 2>;

/// A random key that this process keeps to itself: the same in every call.
const siphash_key& process_siphash_key();

namespace detail {

inline void sip_round(std::array<std::uint64_t, 4>& v) noexcept
{
    v[0] += v[1];
    v[1] = std::rotl(v[1], 13) ^ v[0];
    v[0] = std::rotl(v[0], 32);
    v[2] += v[3];
    v[3] = std::rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = std::rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = std::rotl(v[1], 17) ^ v[2];
    v[2] = std::rotl(v[2], 32);
}

inline void sip_word(std::array<std::uint64_t, 4>& v, std::uint64_t word) noexcept
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

} // namespace detail

/// SipHash-2-4 (Aumasson, Bernstein 2012): a hash whose collisions cannot be found without the key.
inline std::uint64_t siphash(const siphash_key& key, std::string_view text) noexcept
{
    static_assert(std::endian::native == std::endian::little);
    std::array<std::uint64_t, 4> v{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                                   key[1] ^ 0x7465646279746573};
    const std::size_t whole = text.size() / 8 * 8;
    for (std::size_t i = 0; i < whole; i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + i, 8);
        detail::sip_word(v, word);
    }
    std::uint64_t last = static_cast<std::uint64_t>(text.size()) << 56;
    for (std::size_t i = whole; i < text.size(); ++i)
        last |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << (8 * (i - whole));
    detail::sip_word(v, last);
    v[2] ^= 0xFF;
    for (int i = 0; i < 4; ++i) detail::sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

} // namespace cofferdam
