#include "nft/ruleset_identity.hpp"

#include <cstdlib>

using namespace cofferdam;

/// Whatever the datagram: no exception, and a second reading says the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size)
{
    const byte_view datagram(input, size);
    nft::ruleset_identity one, two;
    const auto first = one.add(datagram, "cofferdam"), second = two.add(datagram, "cofferdam");
    if (first.has_value() != second.has_value() || !(one == two)) std::abort();
    return 0;
}
