#include "core/siphash.hpp"

#include <gtest/gtest.h>
#include <string>

namespace cofferdam {
namespace {

// Vectors of the reference implementation: key 00 01 .. 0f, input 00 01 .. n-1.
TEST(siphash, is_that_of_the_reference_implementation)
{
    const siphash_key key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    std::string input;
    const auto grown_to = [&](std::size_t size) {
        while (input.size() < size) input += static_cast<char>(input.size());
        return siphash(key, input);
    };
    EXPECT_EQ(grown_to(0), 0x726fdb47dd0e0e31U);
    EXPECT_EQ(grown_to(1), 0x74f839c593dc67fdU);
    EXPECT_EQ(grown_to(8), 0x93f5f5799a932462U);
    EXPECT_EQ(grown_to(15), 0xa129ca6149be45e5U);
}

TEST(siphash, key_of_the_process_stays_the_same)
{
    EXPECT_EQ(process_siphash_key(), process_siphash_key());
    EXPECT_NE(process_siphash_key()[0], process_siphash_key()[1]);
}

} // namespace
} // namespace cofferdam
